/** Commands in a hand-made run. Needs root. */
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import type { ExitStatus } from "../../../src/base/taskEnd.ts";
import { commandCgroupPrefix } from "../../../src/effects/cgroup/cgroup.ts";
import { newCommandCgroup } from "../../../src/effects/exec/commandCgroup.ts";
import type { ExecInput } from "../../../src/effects/exec/execPlan.ts";
import { type RunningCommand, runInTask } from "../../../src/effects/exec/runInTask.ts";
import type { TerminalSize } from "../../../src/effects/exec/terminal.ts";
import type { Launched } from "../../../src/effects/launch/launcher.ts";
import { TestCgroup } from "../host/testCgroup.ts";
import { launchInput, type TestRun } from "./launchRun.ts";

/** A run of a task that does nothing, in a cgroup of its own. */
export interface ExecTarget {
  readonly run: TestRun;
  readonly launched: Launched;
  readonly cgroup: string;
}

export async function execTarget(run: TestRun, script = "exec sleep 1000"): Promise<ExecTarget> {
  const cgroup = new TestCgroup(
    `exec2-test-exec-${process.pid}-${Math.random().toString(36).slice(2)}.scope`,
  );
  onTestFinished(() => cgroup.remove());
  const launched = await run.startScript(script, { cgroup: cgroup.path });
  return { run, launched, cgroup: cgroup.path };
}

export interface ExecOptions extends Partial<ExecInput> {
  readonly size?: TerminalSize;
}

/** A shell script to run in the task. */
export function execInput({ cgroup }: ExecTarget, script: string): ExecInput {
  return {
    ...launchInput({ command: "/bin/sh", name: "sh", args: ["-c", script] }),
    waiterName: "exec2-exec: 01234567/test",
    cgroup: newCommandCgroup({ parent: cgroup, prefix: commandCgroupPrefix }),
  };
}

/** Runs a shell script in the task. */
export function exec(
  target: ExecTarget,
  script: string,
  { size, ...input }: ExecOptions = {},
): Promise<RunningCommand> {
  const place = {
    init: target.launched.init,
    landlockAbi: 7,
    runnerFolder: "/run",
    terminal: size && { size },
  };
  return runInTask({ ...execInput(target, script), ...input }, place);
}

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: ExitStatus | undefined;
}

/** The result of a command with its output. */
export async function outcomeOf(command: RunningCommand): Promise<Outcome> {
  command.stdin.on("error", () => undefined);
  const [stdout, stderr, status] = await Promise.all([
    text(command.stdout),
    text(command.stderr),
    command.ended,
  ]);
  return { stdout, stderr, status };
}

export async function execOutcome(
  target: ExecTarget,
  script: string,
  options?: ExecOptions,
): Promise<Outcome> {
  const command = await exec(target, script, options);
  command.stdin.end();
  return outcomeOf(command);
}
