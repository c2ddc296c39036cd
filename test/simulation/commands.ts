/** Commands in simulated tasks: as runInTask.ts runs them, without their sandbox. */
import { Readable, Writable } from "node:stream";
import { DriverError } from "../../src/base/errors.ts";
import type { ExitStatus } from "../../src/base/taskEnd.ts";
import { endCgroup, exitTimeoutMs } from "../../src/effects/cgroup/cgroupEnd.ts";
import { endSession, markSession } from "../../src/effects/exec/commandCgroup.ts";
import type { ExecInput } from "../../src/effects/exec/execPlan.ts";
import type { ExecPlace, RunningCommand } from "../../src/effects/exec/runInTask.ts";
import { killProcess, openProcess } from "../../src/effects/processes/signals.ts";
import type { CommandTruth, Kernel, Process } from "./kernel.ts";
import type { PluginProcess } from "./pluginProcess.ts";

/** The replacement of `runInTask`: the same calls in the same order around the kernel's part. */
export function runInTaskOf(kernel: Kernel, current: () => PluginProcess) {
  return async ({ cgroup }: ExecInput, { init }: ExecPlace): Promise<RunningCommand> => {
    const plugin = current();
    const pidfd = openProcess(init);
    if (pidfd === undefined) throw new DriverError("TASK_NOT_RUNNING", "the task has ended");
    const process = plugin.fds.close(pidfd) as Process;
    plugin.enter("begin command");
    const folder = `${cgroup.parent}/${cgroup.name}`;
    const begun = Promise.withResolvers<CommandTruth | undefined>();
    const waiting = Promise.withResolvers<CommandTruth["end"]>();
    const { scheduler, life } = plugin;
    const later = (what: string, run: () => void) => void scheduler.in(scheduler.latency(), life, what, run);
    kernel.command(
      { plugin: life, onPluginEnd: (then) => plugin.onEnd(then), init: process, cgroup: folder },
      (command) =>
        later("a command is reported", () => {
          if (command !== undefined) command.isReported = true;
          begun.resolve(command);
        }),
      (status) => later("a command's pipe ends", () => waiting.resolve(status)),
    );
    const command = await begun.promise;
    if (command === undefined) {
      await waiting.promise;
      await endCgroup(folder, exitTimeoutMs);
      throw new DriverError("LAUNCH_FAILED", "its processes have been killed");
    }
    const { pid, startTicks } = command.leader;
    const leader = { pid, startTicks };
    markSession(folder, leader);
    const ended = waiting.promise.then(async (end): Promise<ExitStatus | undefined> => {
      await endSession(folder, leader);
      if (end === undefined) return undefined;
      return { exitCode: end.signal > 0 ? 0 : end.exitCode, signal: end.signal, endedAtMs: Date.now() };
    });
    ended.catch(() => undefined);
    return {
      stdin: new Writable({ write: (_chunk, _encoding, done) => done() }),
      stdout: Readable.from([]),
      stderr: Readable.from([]),
      resize: () => undefined,
      leader,
      ended,
      kill: () => void killProcess(leader),
    };
  };
}

/** Output that nobody reads. */
export class NoOutput {
  readonly stdout = 1;
  readonly stderr = 2;
  write(): void {}
  [Symbol.dispose](): void {}
}

/** What a command sees of a task. */
export class NoRootView {
  readonly root = 0;
  [Symbol.dispose](): void {}
}
