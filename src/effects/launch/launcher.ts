/** Starts a task: assembles the plan, spawns the runner with it and listens to what becomes of it. */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { DriverError, errnoOf } from "../../errors.ts";
import { runLeft } from "../cgroupEnd.ts";
import { watchExit } from "../exitWatch.ts";
import { MFD_CLOEXEC } from "../kernel/constants.ts";
import { errnoName } from "../kernel/errnoName.ts";
import { memfdCreate, pipe2, waitpid } from "../kernel/libc.ts";
import type { ProcessIdentity } from "../processIdentity.ts";
import { assembleBeginning, assembleRest, stepAt } from "./assemble.ts";
import { launchError } from "./launchError.ts";
import { descriptors, joinPlan, type LaunchBeginning, type LaunchPlan, type LaunchRest } from "./plan.ts";
import { parseReport, type Report } from "./report.ts";
import { ReportPipe } from "./reportPipe.ts";
import { runnerArchitecture, spawnRunner } from "./runner.ts";
import { nullDevice, writeAt } from "./spawnPlan.ts";
import { REST_OFFSET } from "./table.ts";

/** Descriptors of this process that a launch needs, above 6 as all are that it opened itself. They stay open here. */
export interface LaunchDescriptors {
  readonly stdout: number;
  readonly stderr: number;
  /** A Landlock ruleset, which may get its rules later. */
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
 * Carries a launch plan out: {@link HeldLaunch.release} tells how that ends.
 * @param runnerFolder where to put the runner if this host doesn't execute memfds; root's alone
 */
export async function launch(
  plan: LaunchPlan,
  given: LaunchDescriptors,
  runnerFolder?: string,
): Promise<Launched> {
  const held = new HeldLaunch(plan, given, runnerFolder);
  held.load(plan);
  return held.release();
}

/** Carries any plan out, until all its processes have closed the report pipe. */
export async function carryOut(
  plan: LaunchPlan,
  given: LaunchDescriptors,
  runnerFolder?: string,
): Promise<Outcome> {
  const held = new HeldLaunch(plan, given, runnerFolder);
  held.load(plan);
  return held.outcome();
}

/**
 * A launch that has begun: the run's init furnishes its namespaces and waits for
 * the word to go on. It ends when that does not come because this process is gone.
 */
export class HeldLaunch {
  readonly #beginning: LaunchBeginning;
  /** Descriptors of the plan's table and of the pipe that init waits at. */
  readonly #table: number;
  readonly #gate: number;
  /** Pid of the process that forks init. */
  readonly #outside: number;
  readonly #report: ReportPipe;
  #rest: LaunchRest | undefined;
  #end: Promise<Outcome> | undefined;

  /** @throws DriverError `LAUNCH_FAILED` where nothing could be spawned */
  constructor(beginning: LaunchBeginning, given: LaunchDescriptors, runnerFolder?: string) {
    using undo = new DisposableStack();
    const open = (descriptor: number) => undo.adopt(descriptor, closeSync);
    this.#beginning = beginning;
    this.#table = open(memfdCreate("exec2-plan", MFD_CLOEXEC));
    writeAt(this.#table, assembleBeginning(beginning, runnerArchitecture()), 0);
    using theirs = new DisposableStack();
    const report = pipe2();
    open(report.read);
    theirs.adopt(report.write, closeSync);
    const reportEnd = theirs.adopt(openBothWays(report.write), closeSync);
    const gate = pipe2();
    this.#gate = open(gate.write);
    theirs.adopt(gate.read, closeSync);
    try {
      const inherited = inheritedBy(given, this.#table, reportEnd, gate.read);
      this.#outside = spawnRunner(beginning.initName, inherited, runnerFolder);
    } catch (thrown) {
      throw DriverError.from(thrown, "LAUNCH_FAILED", "the launch could not be begun");
    }
    undo.move();
    this.#report = new ReportPipe(report.read);
  }

  /**
   * The run's init, as soon as it has told who it is. Nothing of the task runs before it is let go on.
   * @throws DriverError `LAUNCH_FAILED` where it has failed before that
   */
  async init(): Promise<ProcessIdentity> {
    return (await this.#report.first) ?? (await this.release()).init;
  }

  /**
   * Lays the rest of the plan ready for init.
   * @throws DriverError `LAUNCH_FAILED` where arguments and environment are too long
   */
  load(rest: LaunchRest): void {
    writeAt(this.#table, assembleRest(rest, runnerArchitecture()), REST_OFFSET);
    this.#rest = rest;
  }

  /**
   * Lets init go on. Resolves once `execve` has succeeded, or the kernel has killed
   * the task on the way there (out of memory), which its exit status tells.
   * On failure nothing of the launch is left.
   * @throws DriverError `LAUNCH_FAILED` naming the step, call, path and errno
   */
  async release(): Promise<Launched> {
    if (this.#rest === undefined) throw new TypeError("the rest of the plan is not loaded");
    const outcome = await this.outcome();
    const [init, task] = outcome.processes;
    if (outcome.failure === undefined && init !== undefined && task !== undefined) return { init, task };
    const plan = joinPlan(this.#beginning, this.#rest);
    if (init !== undefined) {
      await watchExit(plan.aliveFifo).ended;
      await this.#left(init);
    }
    throw failureOf(plan, outcome);
  }

  /** Lets init go on. Resolves once nobody holds the report pipe any more. */
  outcome(): Promise<Outcome> {
    openGate(this.#gate);
    return this.#ended();
  }

  /** Gives up a launch that has not been released. Resolves once nothing of it is left. */
  async abandon(): Promise<void> {
    const [init] = (await this.#ended()).processes;
    if (init !== undefined) await this.#left(init);
  }

  async #left(init: ProcessIdentity): Promise<void> {
    const { cgroup } = this.#beginning;
    if (cgroup !== undefined) await runLeft(cgroup, init);
  }

  #ended(): Promise<Outcome> {
    this.#end ??= this.#waitForEnd();
    return this.#end;
  }

  async #waitForEnd(): Promise<Outcome> {
    closeSync(this.#table);
    closeSync(this.#gate);
    const report = parseReport(await this.#report.all);
    // It closes the pipe by ending, so that there is nothing to wait for.
    return { ...report, status: waitpid(this.#outside, 0) };
  }
}

/** What a plan's processes told of themselves. */
export interface Outcome extends Report {
  /** Raw wait status of the process that was spawned. */
  readonly status: number | undefined;
}

function inheritedBy(
  { stdout, stderr, ruleset }: LaunchDescriptors,
  table: number,
  report: number,
  gate: number,
) {
  return [
    { from: nullDevice(), to: descriptors.stdin },
    { from: stdout, to: descriptors.stdout },
    { from: stderr, to: descriptors.stderr },
    { from: table, to: descriptors.plan },
    { from: report, to: descriptors.report },
    { from: ruleset, to: descriptors.ruleset },
    { from: gate, to: descriptors.gate },
  ];
}

/**
 * A pipe's end for writing that reads as well (fifo(7)): whoever holds it never gets SIGPIPE. What has been
 * let go on has to become the task even where this process dies meanwhile.
 */
function openBothWays(pipe: number): number {
  return openSync(`/proc/self/fd/${pipe}`, constants.O_RDWR);
}

function openGate(gate: number): void {
  try {
    writeSync(gate, "g");
  } catch (thrown) {
    // Init is gone: the report tells why.
    if (errnoOf(thrown) !== "EPIPE") throw thrown;
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
