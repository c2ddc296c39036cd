/** Runs commands in a running task, with the task's rights, and records them. */

import { setTimeout as delay } from "node:timers/promises";
import { DriverError } from "../../base/errors.ts";
import { Secrets } from "../../base/masking.ts";
import { type ExitStatus, endOfStatus, unknownEnd } from "../../base/taskEnd.ts";
import { shortName } from "../../base/taskId.ts";
import { exitTimeoutMs } from "../../effects/cgroup/cgroupEnd.ts";
import { candidatesOf, resolveCommand } from "../../effects/command/commandLookup.ts";
import { defaultPath } from "../../effects/command/taskEnvironment.ts";
import {
  type CommandCgroups,
  commandCgroupsIn,
  commandCgroupsOf,
  endAbandonedCommand,
  newCommandCgroup,
  removeCommandCgroups,
} from "../../effects/exec/commandCgroup.ts";
import type { OutputFiles } from "../../effects/exec/commandStdio.ts";
import type { ExecInput } from "../../effects/exec/execPlan.ts";
import { type RunningCommand, runInTask } from "../../effects/exec/runInTask.ts";
import { readTaskEnviron } from "../../effects/exec/taskEnviron.ts";
import { waitForAnswersInTask } from "../../effects/host/silentMounts.ts";
import { rightsInPlan } from "../../effects/launch/launchPlan.ts";
import { presetLimitsOf } from "../../effects/limits/resourceLimits.ts";
import { isRemote } from "../../effects/paths/hostMounts.ts";
import { visibilityFor } from "../../effects/paths/hostPaths.ts";
import { isSameProcess } from "../../effects/processes/processIdentity.ts";
import { TaskRootView } from "../../effects/root/listRoot.ts";
import type { CommandEnd } from "../../machines/events/running.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import type { RunDenials } from "../denials/runDenials.ts";
import type { ExecRequest, ExecSession, ExitResult } from "../driverPort.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { requestedOptions } from "../history/startEvents.ts";
import { retrying } from "../retry.ts";
import type { RunPart } from "../runPart.ts";
import type { DriverServices } from "../services.ts";
import { notRunning, pluginEnds } from "../taskErrors.ts";
import { CommandHistory } from "./commandHistory.ts";
import { refusedCommand } from "./refusedCommand.ts";

type Reason = CommandEnd["reason"];

/** A session that the driver can end, with the reason that the event `execExited` records. */
export interface TaskExec extends ExecSession {
  end(reason: Reason): void;
}

/** A command to run. `output`: files for its output, if nobody reads it from the session. */
export interface TaskCommand extends ExecRequest {
  readonly output?: OutputFiles;
}

interface RunningExec extends Pick<TaskExec, "end"> {
  /** Resolves once the command's end is recorded. Never rejects. */
  readonly over: Promise<unknown>;
}

export type CommandServices = Pick<DriverServices, "folder" | "log">;

export class RunCommands implements RunPart {
  readonly #task: RecordedTask;
  readonly #denials: RunDenials;
  /** Made for the first command: most tasks run none. */
  #history: CommandHistory | undefined;
  readonly #running = new Set<RunningExec>();
  readonly #starting = new Set<Promise<unknown>>();
  /** Whether the plugin ends, so that no command may begin. */
  #isClosed = false;

  constructor(task: RecordedTask, denials: RunDenials) {
    this.#task = task;
    this.#denials = denials;
  }

  /**
   * Runs a command. Its beginning is recorded before the caller gets the session, unless the command is only
   * counted. A command that cannot be found or executed gives a session that has ended, and is not recorded.
   * @throws DriverError `TASK_NOT_RUNNING`, `CONFIG_INVALID`, `UNSUPPORTED`, `LAUNCH_FAILED`, and `PLUGIN_FAILED`
   *   after {@link end}
   */
  async run(request: TaskCommand, services: CommandServices): Promise<TaskExec> {
    const starting = this.#start(request, services);
    this.#starting.add(starting);
    try {
      return await starting;
    } catch (thrown) {
      return refusedCommand(thrown, request.terminal);
    } finally {
      this.#starting.delete(starting);
    }
  }

  /** Ends the running commands because the plugin ends. Those that have yet to begin are refused. */
  async end(): Promise<void> {
    this.#isClosed = true;
    for (const { end } of this.#running) end("pluginEnded");
    await this.#overInTime();
    await this.#history?.record();
  }

  /** Resolves once all commands have ended and are recorded. */
  async over(): Promise<void> {
    await Promise.all([...this.#running].map(({ over }) => over));
    await this.#history?.record();
  }

  /**
   * Ends the commands that an earlier plugin process has left running, and records the end of each command
   * whose beginning is recorded.
   */
  async endAbandoned(): Promise<void> {
    const { request, sandbox, execs } = this.#task.snapshot.context;
    const cgroups = request && sandbox ? commandCgroupsIn(commandCgroups({ request, sandbox })) : [];
    for (const cgroup of cgroups) await endAbandonedCommand(cgroup);
    for (const { exec } of execs.running)
      await this.#task.record("execExited", { exec, ...unknownEnd, reason: "pluginEnded" });
  }

  /**
   * To be called when the run has ended, and its commands with it. Records the commands, and removes their
   * cgroups, which would keep the agent from removing the task's cgroup.
   */
  async settle(): Promise<void> {
    const { request, sandbox } = this.#task.snapshot.context;
    if (request === null || sandbox === null) return;
    await this.#overInTime();
    await this.#history?.close();
    await removeCommandCgroups(commandCgroups({ request, sandbox }));
  }

  /** A command whose process cannot be killed must not hold up the task's end, or the plugin's. */
  async #overInTime(): Promise<void> {
    // Most tasks run no command: a timer with its signal takes longer than the rest of their end.
    if (this.#starting.size === 0 && this.#running.size === 0) return;
    const timeout = new AbortController();
    const all = Promise.allSettled([...this.#starting]).then(() => this.over());
    await Promise.race([
      all,
      delay(exitTimeoutMs, undefined, { signal: timeout.signal }).catch(() => undefined),
    ]);
    timeout.abort();
  }

  async #start(request: TaskCommand, { folder, log }: CommandServices): Promise<TaskExec> {
    if (this.#isClosed) throw pluginEnds();
    const { host, process } = this.#task.snapshot.context;
    const input = await inputOf(this.#task, request, folder.run);
    if (host === null || process === null) throw cannotRun(this.#task);
    const begunAt = Date.now();
    const command = await runInTask(input, {
      init: process.init,
      landlockAbi: host.landlockAbi,
      runnerFolder: folder.run,
      terminal: request.terminal ? { size: request.size } : undefined,
      output: request.output,
    });
    this.#denials.addProcess(command.leader, begunAt);
    // A call to kill must not be left out: whoever ends a command waits for its end.
    const retry = retrying(() => log, this.#task.id, "a command cannot be killed yet");
    let isOver = false;
    const whenOver = () => {
      isOver = true;
    };
    command.ended.then(whenOver, whenOver);
    const kill = () => void retry(command.kill, () => isOver);
    if (this.#isClosed) {
      kill();
      throw pluginEnds();
    }
    return this.#recorded(input.command, request.terminal, { ...command, kill });
  }

  async #recorded(path: string, terminal: boolean, command: RunningCommand): Promise<TaskExec> {
    const user = this.#task.snapshot.context.sandbox?.user ?? "";
    const { leader, stdin, stdout, stderr, resize, kill } = command;
    this.#history ??= new CommandHistory(this.#task);
    const recorded = this.#history.begin({ command: path, user, terminal, process: leader });
    let reason: Reason | undefined;
    const end = (endReason: Reason) => {
      reason ??= endReason;
      kill();
    };
    const ended = command.ended.then(async (status) => {
      reason ??= "ended";
      const exit = exitOf(status);
      await recorded.ended({ exitCode: exit.exitCode, signal: exit.signal, reason });
      return exit;
    });
    const running: RunningExec = { end, over: ended.catch(() => undefined) };
    this.#running.add(running);
    void running.over.then(() => this.#running.delete(running));
    if (!(await recorded.started)) {
      kill();
      throw cannotRun(this.#task);
    }
    return { stdin, stdout, stderr, resize, ended, end, cancel: () => end("cancelled") };
  }
}

/** Where the cgroups of a run's commands are. */
export function commandCgroups({ request, sandbox }: SandboxedRun): CommandCgroups {
  return commandCgroupsOf(sandbox.runCgroup ?? request.resources.cgroup, sandbox.runFolder);
}

type SandboxedRun = { readonly [Name in "request" | "sandbox"]: NonNullable<TaskContext[Name]> };

async function inputOf(
  task: RecordedTask,
  { command: words, terminal }: ExecRequest,
  runnerFolder: string,
): Promise<ExecInput> {
  const { request, sandbox, process } = task.snapshot.context;
  if (!isAlive(task.state) || request === null || sandbox === null || process === null) throw cannotRun(task);
  const [name, ...args] = words;
  if (name === undefined || name === "") {
    throw new DriverError("CONFIG_INVALID", "the command is empty", { hint: "Name a program to run" });
  }
  if (words.some((word) => word.includes("\0"))) {
    throw new DriverError("CONFIG_INVALID", "the command has a NUL byte, and no program can be given one", {
      hint: "Pass such data through the command's input",
    });
  }
  using view = new TaskRootView(process.init);
  const env = readTaskEnviron(process.task);
  // A history that was rebuilt from the agent's handle has no working directory.
  const workDir = new Secrets(env, true).expand(sandbox.workDir) || "/";
  const path = env.PATH ?? defaultPath;
  const lookUps = [workDir, ...candidatesOf(name, { path, workDir })];
  await waitForAnswersInTask(lookUps, { pid: process.init.pid, root: view.root }, runnerFolder);
  const options = requestedOptions(request);
  const rights = rightsInPlan(sandbox, options);
  const sees = visibilityFor({ ...sandbox, ...rights });
  // A rebuilt history has no limits. The command then gets those of the task's process, not the plugin's.
  const limits = rights.limits.length > 0 ? rights.limits : presetLimitsOf(process.task.pid);
  // The limits were read by pid, so this checks that the pid is still the task's.
  if (!isSameProcess(process.task)) throw cannotRun(task);
  return {
    options,
    waiterName: `exec2-exec: ${shortName(request)}`,
    cgroup: newCommandCgroup(commandCgroups({ request, sandbox })),
    command: resolveCommand(name, {
      path,
      workDir,
      // A look at the host only improves the error's hint. It must not wait for a remote file system.
      isVisible: (each) => options.rootDir === undefined && !isRemote(each) && sees(each),
      lookAt: (each) => view.stat(each),
    }),
    name,
    args,
    env: { PATH: defaultPath, ...(terminal && { TERM: "xterm" }), ...env },
    workDir,
    uid: sandbox.uid,
    gid: sandbox.gid,
    ...rights,
    limits,
    recordDenials: sandbox.unrecordedDenials === null,
  };
}

function exitOf(status: ExitStatus | undefined): ExitResult {
  if (status !== undefined) return { ...endOfStatus(status), oomKilled: false };
  return { ...unknownEnd, oomKilled: false, error: "the command's exit code is unknown" };
}

function cannotRun(task: RecordedTask): DriverError {
  return notRunning(task, "no command can be run in it");
}
