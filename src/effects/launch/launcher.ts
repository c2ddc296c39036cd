/** Starts a task: runs its launch plan and receives its report. */
import { closeSync, writeSync } from "node:fs";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { waitForRunExit } from "../cgroup/cgroupEnd.ts";
import { pipe2 } from "../kernel/libc.ts";
import { failedStep } from "../plan/launchError.ts";
import { type Descriptors, type EarlyPlan, joinPlan, type LatePlan, type Plan } from "../plan/plan.ts";
import { type Report, writeLate } from "../plan/spawnPlan.ts";
import type { ProcessIdentity } from "../processes/processIdentity.ts";
import { hasNoWriter, watchExit } from "../run/runFiles.ts";
import { type BegunLaunch, beginLaunch, type LoggerDescriptors } from "./spawner/spawner.ts";

/** The descriptors that a launch needs. Rules may be added to the ruleset after the launch has begun. */
export interface LaunchDescriptors extends Descriptors<"stdout" | "stderr" | "ruleset" | "mounts"> {
  /** Set if the plan has a logger: its folder, and the read ends of the pipes `stdout` and `stderr`. */
  readonly output?: Omit<LoggerDescriptors, "logRelease">;
}

/** A task that has been started. */
export interface Launched {
  /** PID 1 of its pid namespace. */
  readonly init: ProcessIdentity;
  /** The task itself, leader of its session and process group. */
  readonly task: ProcessIdentity;
}

/**
 * A launch that has begun. The run's init sets up its namespaces and waits for the rest of the plan. The task's
 * process then restricts itself and waits for its release. If this process dies before the release, both exit.
 */
export class PendingLaunch {
  readonly #early: EarlyPlan;
  /** The write end of the pipe by which init and the task's process are let go on. */
  readonly #releasePipe: number;
  /** The same for the logger's; undefined without a logger. */
  readonly #logRelease: number | undefined;
  #isComplete = false;
  readonly #begun: BegunLaunch;
  #late: LatePlan | undefined;
  #end: Promise<Report> | undefined;
  /** What the launch's processes use of this process. */
  readonly #lent: Disposable | undefined;

  /**
   * @param lent what the launch's processes use of this process until the launch has ended; disposed of then
   * @throws DriverError `LAUNCH_FAILED` if the first process cannot be spawned
   */
  constructor(early: EarlyPlan, passed: LaunchDescriptors, runnerFolder?: string, lent?: Disposable) {
    using undo = new DisposableStack();
    this.#lent = undo.use(lent);
    const releasePipe = pipe2();
    this.#early = early;
    this.#releasePipe = undo.adopt(releasePipe.write, closeSync);
    using childOnly = new DisposableStack();
    childOnly.adopt(releasePipe.read, closeSync);
    const { output, ...others } = passed;
    const logRelease = output && pipe2();
    if (logRelease !== undefined) {
      this.#logRelease = undo.adopt(logRelease.write, closeSync);
      childOnly.adopt(logRelease.read, closeSync);
    }
    const logger = output && logRelease && { ...output, logRelease: logRelease.read };
    this.#begun = beginLaunch(early, { ...others, releasePipe: releasePipe.read }, logger, runnerFolder);
    undo.move();
  }

  /**
   * Resolves with the run's init, once init has reported its identity. Nothing of the task runs before the
   * release.
   * @throws DriverError `LAUNCH_FAILED` if init has failed before its report
   */
  async init(): Promise<ProcessIdentity> {
    return (await this.#begun.first) ?? (await this.release()).init;
  }

  /**
   * Writes the rest of the plan for init.
   * @throws DriverError `LAUNCH_FAILED` if arguments and environment are too long
   */
  load(late: LatePlan): void {
    writeLate(this.#begun.table, late);
    this.#late = late;
  }

  /**
   * Lets init fork the task, and the task's process restrict itself. To be called after {@link load}; otherwise
   * {@link release} does it.
   */
  complete(): void {
    if (this.#late === undefined) throw new TypeError("the rest of the plan is not loaded");
    if (this.#isComplete) return;
    this.#isComplete = true;
    letGoOn(this.#releasePipe);
  }

  /**
   * Releases the task. Resolves once `execve` has succeeded. Also resolves if the kernel killed the task before
   * its `execve` for lack of memory: the exit status then shows the kill. After a failure nothing of the
   * launch is left.
   * @throws DriverError `LAUNCH_FAILED` naming the step, call, path and errno
   */
  async release(): Promise<Launched> {
    const outcome = await this.releaseTask();
    const [init, task] = outcome.processes;
    if (outcome.failure === undefined && init !== undefined && task !== undefined) return { init, task };
    const plan = joinPlan(this.#early, this.#late as LatePlan);
    if (init !== undefined) await this.#waitForExit(init);
    throw failureOf(plan, outcome);
  }

  /** Releases the task. Resolves once no process has the report pipe open any more. */
  releaseTask(): Promise<Report> {
    this.complete();
    if (this.#logRelease !== undefined) letGoOn(this.#logRelease);
    letGoOn(this.#releasePipe);
    return this.#ended();
  }

  /** Gives up a launch that has not been released. Resolves once nothing of it is left. */
  async abandon(): Promise<void> {
    const [init] = (await this.#ended()).processes;
    if (init !== undefined) await this.#waitForExit(init);
  }

  /** Init closes the report before it waits for the task's process. */
  async #waitForExit(init: ProcessIdentity): Promise<void> {
    const { aliveFifo, cgroup } = this.#early;
    if (!hasNoWriter(aliveFifo)) await watchExit(aliveFifo, init).ended;
    if (cgroup !== undefined) await waitForRunExit(cgroup, init);
  }

  #ended(): Promise<Report> {
    if (this.#end === undefined) {
      closeSync(this.#begun.table);
      closeSync(this.#releasePipe);
      if (this.#logRelease !== undefined) closeSync(this.#logRelease);
      const { report } = this.#begun;
      this.#end = this.#lent ? report.finally(() => this.#lent?.[Symbol.dispose]()) : report;
    }
    return this.#end;
  }
}

function letGoOn(releasePipe: number): void {
  try {
    writeSync(releasePipe, "g");
  } catch (thrown) {
    // Nobody waits any more, and the report says why.
    if (errnoOf(thrown) !== "EPIPE") throw thrown;
  }
}

/** The error for a plan that failed. */
export function failureOf(plan: Plan, { failure, processes }: Report): DriverError {
  const reported = ["none", "init", "init and the task"][processes.length];
  return (
    failedStep(plan, failure) ??
    new DriverError(
      "LAUNCH_FAILED",
      `the launch ended without a report (processes that started: ${reported})`,
      { hint: "The kernel has killed it: the task's memory limit may be too small to start anything" },
    )
  );
}
