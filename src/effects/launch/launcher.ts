/** Starts a task: has its plan carried out and listens to what becomes of it. */
import { closeSync, writeSync } from "node:fs";
import { DriverError, errnoOf } from "../../errors.ts";
import { runLeft } from "../cgroup/cgroupEnd.ts";
import { pipe2 } from "../kernel/libc.ts";
import { watchExit } from "../processes/exitWatch.ts";
import type { ProcessIdentity } from "../processes/processIdentity.ts";
import { failedStep } from "./launchError.ts";
import {
  type Descriptors,
  type EarlyPlan,
  joinPlan,
  type LatePlan,
  type LaunchPlan,
  type Plan,
} from "./plan.ts";
import { type Begun, beginPlan, type Outcome, outcomeOf } from "./spawnPlan.ts";

/** The ruleset may get its rules later. */
export type LaunchDescriptors = Descriptors<"stdout" | "stderr" | "ruleset">;

/** A task that has been started. */
export interface Launched {
  /** PID 1 of its pid namespace. */
  readonly init: ProcessIdentity;
  /** The task itself, leader of its session and process group. */
  readonly task: ProcessIdentity;
}

/**
 * Carries a launch plan out: {@link PendingLaunch.release} tells how that ends.
 * @param runnerFolder where to put the runner if this host doesn't execute memfds; root's alone
 */
export async function launch(
  plan: LaunchPlan,
  given: LaunchDescriptors,
  runnerFolder?: string,
): Promise<Launched> {
  const held = new PendingLaunch(plan, given, runnerFolder);
  held.load(plan);
  return held.release();
}

/**
 * A launch that has begun: the run's init furnishes its namespaces and waits for
 * the word to go on. It ends when that does not come because this process is gone.
 */
export class PendingLaunch {
  readonly #early: EarlyPlan;
  /** Descriptor of the pipe that init waits at. */
  readonly #releasePipe: number;
  readonly #begun: Begun;
  #late: LatePlan | undefined;
  #end: Promise<Outcome> | undefined;

  /** @throws DriverError `LAUNCH_FAILED` where nothing could be spawned */
  constructor(early: EarlyPlan, given: LaunchDescriptors, runnerFolder?: string) {
    using undo = new DisposableStack();
    const releasePipe = pipe2();
    this.#early = early;
    this.#releasePipe = undo.adopt(releasePipe.write, closeSync);
    using theirs = new DisposableStack();
    theirs.adopt(releasePipe.read, closeSync);
    this.#begun = beginPlan(early, { ...given, releasePipe: releasePipe.read }, runnerFolder);
    undo.move();
  }

  /**
   * The run's init, as soon as it has told who it is. Nothing of the task runs before it is let go on.
   * @throws DriverError `LAUNCH_FAILED` where it has failed before that
   */
  async init(): Promise<ProcessIdentity> {
    return (await this.#begun.first) ?? (await this.release()).init;
  }

  /**
   * Lays the rest of the plan ready for init.
   * @throws DriverError `LAUNCH_FAILED` where arguments and environment are too long
   */
  load(late: LatePlan): void {
    this.#begun.load(late);
    this.#late = late;
  }

  /**
   * Lets init go on. Resolves once `execve` has succeeded, or the kernel has killed
   * the task on the way there (out of memory), which its exit status tells.
   * On failure nothing of the launch is left.
   * @throws DriverError `LAUNCH_FAILED` naming the step, call, path and errno
   */
  async release(): Promise<Launched> {
    if (this.#late === undefined) throw new TypeError("the rest of the plan is not loaded");
    const outcome = await this.outcome();
    const [init, task] = outcome.processes;
    if (outcome.failure === undefined && init !== undefined && task !== undefined) return { init, task };
    const plan = joinPlan(this.#early, this.#late);
    if (init !== undefined) {
      await watchExit(plan.aliveFifo).ended;
      await this.#left(init);
    }
    throw failureOf(plan, outcome);
  }

  /** Lets init go on. Resolves once nobody holds the report pipe any more. */
  outcome(): Promise<Outcome> {
    writeRelease(this.#releasePipe);
    return this.#ended();
  }

  /** Gives up a launch that has not been released. Resolves once nothing of it is left. */
  async abandon(): Promise<void> {
    const [init] = (await this.#ended()).processes;
    if (init !== undefined) await this.#left(init);
  }

  async #left(init: ProcessIdentity): Promise<void> {
    const { cgroup } = this.#early;
    if (cgroup !== undefined) await runLeft(cgroup, init);
  }

  #ended(): Promise<Outcome> {
    if (this.#end === undefined) {
      this.#begun.closeTable();
      closeSync(this.#releasePipe);
      this.#end = outcomeOf(this.#begun);
    }
    return this.#end;
  }
}

function writeRelease(releasePipe: number): void {
  try {
    writeSync(releasePipe, "g");
  } catch (thrown) {
    // Init is gone: the report tells why.
    if (errnoOf(thrown) !== "EPIPE") throw thrown;
  }
}

/** Why a plan was not carried out to its end. */
export function failureOf(plan: Plan, { failure, processes, status }: Outcome): DriverError {
  const reported = ["none", "only init", "init and the task"][processes.length];
  return (
    failedStep(plan, failure) ??
    new DriverError(
      "LAUNCH_FAILED",
      `the launch ended without a report (status ${status}; of its processes, ${reported} told of themselves)`,
      { hint: "The kernel has killed it: the task's memory limit may be too small to start anything" },
    )
  );
}
