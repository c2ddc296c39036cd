/** Starts a task: assembles the plan, spawns the runner with it and listens to what becomes of it. */
import { closeSync, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { DriverError } from "../../errors.ts";
import { watchExit } from "../exitWatch.ts";
import { MFD_CLOEXEC } from "../kernel/constants.ts";
import { errnoName } from "../kernel/errnoName.ts";
import { memfdCreate, pipe2, waitpid } from "../kernel/libc.ts";
import type { ProcessIdentity } from "../processIdentity.ts";
import { assemblePlan, stepAt } from "./assemble.ts";
import { launchError } from "./launchError.ts";
import { descriptors, type LaunchPlan } from "./plan.ts";
import { parseReport, type Report } from "./report.ts";
import { runnerArchitecture, spawnRunner } from "./runner.ts";

/** Descriptors of this process that a launch needs, above 5 as all are that it opened itself. They stay open here. */
export interface LaunchDescriptors {
  readonly stdout: number;
  readonly stderr: number;
  /** A Landlock ruleset. */
  readonly ruleset: number;
}

/** A task that has been started. */
export interface Launched {
  /** PID 1 of its pid namespace. */
  readonly init: ProcessIdentity;
  /** The task itself, leader of its session and process group. */
  readonly task: ProcessIdentity;
}

/**
 * Carries a launch plan out. Resolves once `execve` has succeeded, or the kernel
 * has killed the task on the way there (out of memory), which its exit status tells.
 * On failure nothing of the launch is left.
 * @param runnerFolder where to put the runner if this host doesn't execute memfds; root's alone
 * @throws DriverError `LAUNCH_FAILED` naming the step, call, path and errno
 */
export async function launch(
  plan: LaunchPlan,
  given: LaunchDescriptors,
  runnerFolder?: string,
): Promise<Launched> {
  const outcome = await carryOut(plan, given, runnerFolder);
  const [init, task] = outcome.processes;
  if (outcome.failure === undefined && init !== undefined && task !== undefined) return { init, task };
  if (init !== undefined) await watchExit(plan.aliveFifo).ended;
  throw failureOf(plan, outcome);
}

/** What a plan's processes told of themselves, and the wait status of the one that was spawned. */
export interface Outcome extends Report {
  readonly status: number | undefined;
}

/** Carries a plan out, until all its processes have closed the report pipe. */
export async function carryOut(
  plan: LaunchPlan,
  given: LaunchDescriptors,
  runnerFolder?: string,
): Promise<Outcome> {
  const { outside, reportPipe } = spawnPlan(plan, given, runnerFolder);
  const report = parseReport(await readToEnd(reportPipe));
  // It closes the pipe by ending, so that there is nothing to wait for.
  return { ...report, status: waitpid(outside, 0) };
}

interface Spawned {
  /** Pid of the process that forks init. */
  readonly outside: number;
  /** Where its report can be read. */
  readonly reportPipe: number;
}

function spawnPlan(plan: LaunchPlan, given: LaunchDescriptors, runnerFolder: string | undefined): Spawned {
  const pipe = pipe2();
  try {
    return { outside: spawnOutside(plan, given, pipe.write, runnerFolder), reportPipe: pipe.read };
  } catch (thrown) {
    closeSync(pipe.read);
    throw DriverError.from(thrown, "LAUNCH_FAILED", "the launch could not be begun");
  } finally {
    closeSync(pipe.write);
  }
}

function spawnOutside(
  plan: LaunchPlan,
  { stdout, stderr, ruleset }: LaunchDescriptors,
  report: number,
  runnerFolder: string | undefined,
): number {
  const table = memfdCreate("exec2-plan", MFD_CLOEXEC);
  try {
    writeAt(table, assemblePlan(plan, runnerArchitecture()));
    const inherited = [
      { from: nullDevice(), to: descriptors.stdin },
      { from: stdout, to: descriptors.stdout },
      { from: stderr, to: descriptors.stderr },
      { from: table, to: descriptors.plan },
      { from: report, to: descriptors.report },
      { from: ruleset, to: descriptors.ruleset },
    ];
    return spawnRunner(plan.initName, inherited, runnerFolder);
  } finally {
    closeSync(table);
  }
}

/** Why a plan was not carried out to its end. */
export function failureOf(plan: LaunchPlan, { failure, processes, status }: Outcome): DriverError {
  const step = failure && stepAt(plan, failure.entry);
  if (failure && step) return launchError(plan, step, errnoName(failure.errno));
  const reported = ["none", "only init", "init and the task"][processes.length];
  return new DriverError(
    "LAUNCH_FAILED",
    `the launch ended without a report (status ${status}; of its processes, ${reported} told of themselves)`,
    { hint: "The kernel has killed it: the task's memory limit may be too small to start anything" },
  );
}

/** Not through the descriptor's own offset, which the runner reads from. */
function writeAt(memfd: number, content: Uint8Array): void {
  let written = 0;
  while (written < content.length) {
    written += writeSync(memfd, content, written, content.length - written, written);
  }
}

let openedNullDevice: number | undefined;

/** `/dev/null` for reading, opened once. */
function nullDevice(): number {
  openedNullDevice ??= openSync("/dev/null", "r");
  return openedNullDevice;
}

/** All that comes through a pipe, which is closed after it. Waits in the event loop: no thread is held up. */
function readToEnd(pipe: number): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const chunks: Buffer[] = [];
  new Socket({ fd: pipe, readable: true, writable: false })
    .on("data", (chunk: Buffer) => chunks.push(chunk))
    .once("end", () => resolve(Buffer.concat(chunks)))
    .once("error", reject);
  return promise;
}
