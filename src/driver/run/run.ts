/**
 * A run is the object that this process keeps in memory for a living task. It provides the task's machine with
 * its actions, one for each effect. The actions record their results.
 *
 * Recovery does not depend on this object. The request, with its secrets, is kept only here.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { Subscription } from "rxjs";
import { DriverError, messageOf } from "../../base/errors.ts";
import type { Secrets } from "../../base/masking.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import { removeRunFiles } from "../../effects/run/runFiles.ts";
import {
  type EffectName,
  isAlive,
  isOver,
  type TaskAction,
  type TaskMachine,
  taskMachine,
} from "../../machines/taskMachine.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { fingerprintedEvent } from "../history/startEvents.ts";
import { secretsOfRunning } from "../history/taskSecrets.ts";
import type { RunGround } from "../runPart.ts";
import type { DriverServices } from "../services.ts";
import { recordEnding } from "./ending.ts";
import { each, type RunParts, runParts } from "./runParts.ts";
import { RunStart } from "./runStart.ts";
import { RunStop } from "./runStop.ts";
import { RunStats } from "./stats.ts";
import { runEnded } from "./watch.ts";

export class Run {
  /** One machine for all runs, because a copy takes 30 KiB. So its actions get the run that they act on. */
  static readonly #machine = taskMachine.provide({
    actions: {
      inspectHost: actionOf((run) => run.#inspectHost()),
      prepareSandbox: actionOf((run) => run.#start.prepare()),
      launch: actionOf((run) => run.#start.launch()),
      watchExit: actionOf((run) => run.#watch()),
      sendStopSignal: actionOf((run) => run.#stop.sendSignal()),
      startKillTimer: actionOf((run) => run.#stop.startKillTimer()),
      limitEgress: actionOf((run) => run.parts.egress.limit()),
      killRun: actionOf((run) => run.#stop.kill()),
      releaseRun: actionOf((run) => run.#release()),
    } satisfies Readonly<Record<EffectName, unknown>>,
  });
  readonly parts: RunParts;
  readonly stats: RunStats;
  readonly #ground: RunGround<DriverServices>;
  readonly #task: RecordedTask;
  readonly #start: RunStart;
  readonly #stop: RunStop;
  readonly #services: () => DriverServices;
  /** Undefined until they are needed, in a run that this process has not started. */
  #secrets: Secrets | undefined;
  readonly #watching = new Subscription();

  /** @param services returns the current services: a new configuration replaces them */
  constructor(task: RecordedTask, services: () => DriverServices) {
    this.#task = task;
    this.#services = services;
    this.#ground = {
      ...{ task, services, watching: this.#watching, secrets: () => this.secrets },
      warn: ({ code, message }) => this.#logFailure("watchExit", { code, error: message }),
    };
    this.parts = runParts(this.#ground);
    this.stats = new RunStats(task);
    this.#start = new RunStart(this.#ground, this.parts);
    this.#stop = new RunStop(this.#ground, this.parts.commands);
  }

  /**
   * Sets the request to prepare. To be called before `requested` is recorded.
   * @param claimUser claims the request's user for the task; if it throws, the start fails
   * @param secrets those of its environment
   */
  setRequest(request: TaskRequest, claimUser: () => void, secrets: Secrets): void {
    this.#start.request(request, claimUser);
    this.#secrets = secrets;
  }

  /** What no event, error and line of the agent's log may have of the task's environment. */
  get secrets(): Secrets {
    this.#secrets ??= secretsOfRunning(this.#task.snapshot.context);
    return this.#secrets;
  }

  /** The environment that the task was started with, until {@link answered}. */
  get env(): RunStart["env"] {
    return this.#start.env;
  }

  /** Why the start failed. */
  get failure(): DriverError | undefined {
    return this.#start.failure;
  }

  /** To be called when this process ends before the run. The next one watches the run, and tells its end. */
  leave(): void {
    this.#watching.unsubscribe();
  }

  /** To be called if the start has failed, or was refused. Resolves once nothing of it is under way. */
  refused(): Promise<void> {
    return this.#start.refuse();
  }

  /** To be called once the agent has its answer. Drops what is left of the request. */
  answered(): void {
    this.#start.answered();
  }

  /** The task's machine, with the actions that {@link execute} executes. */
  get machine(): TaskMachine {
    return Run.#machine;
  }

  /**
   * Executes an action of the machine. Never rejects: a failure becomes an event, or else a line in the agent's
   * log. Keeps no reference to the action, because a watch lasts as long as the task.
   */
  execute({ type: effect, info, exec }: TaskAction): Promise<void> {
    return Promise.resolve(exec?.(info, this))
      .catch((thrown: unknown) => this.#failed(effect, thrown))
      .catch((thrown: unknown) => this.#logFailure(effect, { error: messageOf(thrown) }));
  }

  /** Records the facts about the host that the last probe found. */
  async #inspectHost(): Promise<void> {
    await this.#task.record("fingerprinted", fingerprintedEvent(this.#services().facts));
  }

  /** Watches the run until its end is recorded. */
  async #watch(): Promise<void> {
    if (this.#task.snapshot.context.process === null) return;
    // Lets RecoverTask answer first.
    if (this.#task.state === "recovered") await nextTurn();
    if (this.#watching.closed) return;
    // Of a run that was taken over, they are known only as long as its main process lives.
    void this.secrets;
    for (const part of each(this.parts)) part.begin?.();
    await runEnded(this.#task, this.#services(), this.#watching);
    if (this.#watching.closed) return;
    await recordEnding(this.#ground, this.parts, () => this.#stop.killed);
  }

  /** Releases all resources of the run. */
  async #release(): Promise<void> {
    this.#stop.cancel();
    this.#watching.unsubscribe();
    await this.#start.abandon();
    const { sandbox, adopted } = this.#task.snapshot.context;
    const folder = (sandbox ?? adopted)?.runFolder;
    // Whoever waits for the end is answered first: a folder's removal may wait for the disk.
    await nextTurn();
    for (const part of each(this.parts)) part.release?.();
    // Until the exit is in the event log, init's record in this folder is the only copy.
    await this.#services().unsaved.whenStored(this.#task);
    for (const part of each(this.parts)) if (part.giveBack !== undefined) await part.giveBack();
    if (folder !== undefined) removeRunFiles(folder);
  }

  async #failed(effect: EffectName, thrown: unknown): Promise<void> {
    const task = this.#task;
    const failure = DriverError.from(thrown, "LAUNCH_FAILED", `the effect ${effect} failed`);
    const error = this.secrets.maskError(failure);
    // If an earlier start of the task has failed, its state shows that until `requested` is committed again.
    if (!this.#start.isUnderWay && (isAlive(task.state) || isOver(task.state))) {
      const { code, message } = error;
      this.#logFailure(effect, { code, error: message });
      return;
    }
    const isRecorded = await this.#start.fail(error, (late) => this.#logFailure(effect, { error: late }));
    if (isRecorded) return;
    // The store refuses the event, so whoever waits for the task gets the error directly.
    task.abandon(error);
    await this.#release();
  }

  #logFailure(effect: EffectName, fields: Readonly<Record<string, unknown>>): void {
    const masked = this.secrets.maskAll(fields);
    this.#services().log.error("a step of a task failed", { task_id: this.#task.id, effect, ...masked });
  }
}

/** An action of the machine, for the run that it gets as its parameter. */
function actionOf(act: (run: Run) => Promise<void>): (info: unknown, run: unknown) => Promise<void> {
  return (_info, run) => act(run as Run);
}
