/**
 * Runs a command in a running task: in its namespaces, below its cgroup, as its
 * user, under the same ruleset with which the task restricted itself.
 */
import { closeSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { DriverError, hasErrno } from "../../base/errors.ts";
import { type ExitStatus, exitStatusOf } from "../../base/taskEnd.ts";
import { endCgroup, exitTimeoutMs } from "../cgroup/cgroupEnd.ts";
import { pidfdGetfd, pipe2, waitpid } from "../kernel/libc.ts";
import { failedStep, notRun } from "../plan/launchError.ts";
import { kept, type Plan } from "../plan/plan.ts";
import { readToEnd, type Spawned, spawnPlan } from "../plan/spawnPlan.ts";
import type { ProcessIdentity } from "../processes/processIdentity.ts";
import { killProcess, openProcess } from "../processes/signals.ts";
import { endSession, markSession } from "./commandCgroup.ts";
import {
  type CommandStdio,
  type ConnectedStdio,
  filesFor,
  type OutputFiles,
  pipesFor,
  terminalFor,
} from "./commandStdio.ts";
import { buildExecPlan, buildTerminalExecPlan, type ExecInput } from "./execPlan.ts";
import { type TerminalSize, unveilTerminal } from "./terminal.ts";

export interface RunningCommand extends Omit<ConnectedStdio, "finish"> {
  /** The command's process, leader of its session. */
  readonly leader: ProcessIdentity;
  /**
   * Resolves once the command and everything in its session have ended. The output may still be unread
   * then. The status is undefined if the process that waited for the command was killed.
   */
  readonly ended: Promise<ExitStatus | undefined>;
  /** Sends SIGKILL to the command's process. */
  kill(): void;
}

export interface ExecPlace {
  /** PID 1 of the task's pid namespace. */
  readonly init: ProcessIdentity;
  /** Landlock ABI for which the task's ruleset was built. */
  readonly landlockAbi: number;
  /** Folder for the plan runner, if this host cannot execute memfds; only root may have access. */
  readonly runnerFolder: string;
  /** Set if the command's standard streams are a terminal, whose size may be unknown. */
  readonly terminal: { readonly size: TerminalSize | undefined } | undefined;
  /** Set if the output of a command without a terminal goes to files. It has no input then. */
  readonly output?: OutputFiles | undefined;
}

/**
 * Resolves once `execve` has succeeded.
 * @throws DriverError `TASK_NOT_RUNNING` if init has exited
 * @throws DriverError `UNSUPPORTED` if init holds no ruleset
 * @throws DriverError `LAUNCH_FAILED` naming the step, call, path and errno; no process is left then
 */
export async function runInTask(input: ExecInput, place: ExecPlace): Promise<RunningCommand> {
  using opened = new DisposableStack();
  const keep = (descriptor: number) => opened.adopt(descriptor, closeSync);
  const init = keep(openInit(place.init));
  const ruleset = keep(rulesetOf(init));
  const { uid, cgroup } = input;
  const stdio = stdioFor(uid, place);
  using unused = new DisposableStack();
  unused.defer(() => stdio.close());
  const [stdin, stdout, stderr] = stdio.descriptors;
  const { devpts } = stdio;
  if (devpts !== undefined) unveilTerminal(ruleset, devpts, place.landlockAbi);
  const status = pipe2();
  // If no process is spawned, the read ends as soon as the other end is closed.
  const waitStatus = readToEnd(status.read);
  const passed = { stdin, stdout, stderr, ruleset, init, status: status.write };
  const { plan, pid, report } = closeAfter(status.write, () =>
    spawnCommand(input, passed, devpts, place.runnerFolder),
  );
  const waiting = statusOf(waitStatus, pid);
  const { processes, failure } = await report;
  const [leader] = processes;
  const folder = join(cgroup.parent, cgroup.name);
  if (failure !== undefined || leader === undefined) {
    await waiting;
    await endCgroup(folder, exitTimeoutMs);
    throw failedStep(plan, failure, notRun) ?? killed();
  }
  markSession(folder, leader);
  unused.move();
  const { finish, ...streams } = stdio.connect();
  const ended = waiting.then(async (found) => {
    await endSession(folder, leader).finally(finish);
    return found;
  });
  return { ...streams, leader, ended, kill: () => void killProcess(leader) };
}

function stdioFor(uid: number, { terminal, output, runnerFolder }: ExecPlace): CommandStdio {
  if (terminal !== undefined) return terminalFor(uid, terminal.size, runnerFolder);
  return output === undefined ? pipesFor(uid) : filesFor(output);
}

function spawnCommand(
  input: ExecInput,
  passed: ReturnType<typeof buildExecPlan>["inherited"],
  devpts: number | undefined,
  runnerFolder: string,
): Spawned & { readonly plan: Plan } {
  if (devpts === undefined) {
    const plan = buildExecPlan(input);
    return { plan, ...spawnPlan(plan, passed, runnerFolder) };
  }
  const plan = buildTerminalExecPlan(input);
  return { plan, ...spawnPlan(plan, { ...passed, devpts }, runnerFolder) };
}

function openInit(init: ProcessIdentity): number {
  const pidfd = openProcess(init);
  if (pidfd !== undefined) return pidfd;
  throw new DriverError("TASK_NOT_RUNNING", "the task has ended");
}

/**
 * Copies the task's own ruleset out of init. A rebuilt ruleset could differ: the task's rules apply to the
 * files to which their paths led at the task's start, even if the paths lead elsewhere now.
 */
function rulesetOf(init: number): number {
  const descriptor = tryGetfd(init, kept.ruleset);
  if (descriptor !== undefined) {
    if (readlinkSync(`/proc/self/fd/${descriptor}`).includes("landlock-ruleset")) return descriptor;
    closeSync(descriptor);
  }
  throw new DriverError("UNSUPPORTED", "the task was started by a version of the driver without exec", {
    hint: "Restart the task",
  });
}

function tryGetfd(pidfd: number, number: number): number | undefined {
  try {
    return pidfdGetfd(pidfd, number);
  } catch (thrown) {
    if (hasErrno(thrown, "EBADF")) return undefined;
    throw thrown;
  }
}

function closeAfter<T>(descriptor: number, act: () => T): T {
  try {
    return act();
  } finally {
    closeSync(descriptor);
  }
}

async function statusOf(waitStatus: Promise<Buffer>, waiter: number): Promise<ExitStatus | undefined> {
  const bytes = await waitStatus;
  const endedAtMs = Date.now();
  // The pipe closed because the process ended, so this does not block.
  waitpid(waiter, 0);
  return bytes.length < 4 ? undefined : exitStatusOf(bytes.readInt32LE(), endedAtMs);
}

function killed(): DriverError {
  return new DriverError("LAUNCH_FAILED", `${notRun}: its processes have been killed`, {
    hint: "The task may have ended meanwhile, or reached its memory limit",
  });
}
