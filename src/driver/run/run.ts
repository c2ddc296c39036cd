/**
 * A run: all that this process has of a task while it lives. It carries out what the
 * machine asks for, one method an effect, and records what has come of it.
 *
 * Nothing of it is needed to recover the task, and the request with its secrets is
 * nowhere else.
 */
import { rmSync } from "node:fs";
import type { TaskRequest } from "../../config/task/taskRequest.ts";
import { logStartError } from "../../effects/files/logPipes.ts";
import { killInit, killTask, signalGroup } from "../../effects/processes/signals.ts";
import { DriverError, messageOf } from "../../errors.ts";
import type { EffectName } from "../../machines/effects.ts";
import { isAlive, isOver } from "../../machines/taskMachine.ts";
import type { DriverServices } from "../opening/services.ts";
import { fingerprintedEvent } from "../start/fingerprintedEvent.ts";
import { startFailedEvent } from "../start/startFailedEvent.ts";
import { cleanUpRun } from "./cleanUpRun.ts";
import { RunCommands } from "./commands.ts";
import { exitOf } from "./exit.ts";
import { type PreparedRun, prepareRun } from "./prepare.ts";
import type { RunTask } from "./runTask.ts";
import { RunStats } from "./stats.ts";
import { runEnded, watchMemory } from "./watch.ts";

/** How long init may take to end the rest of a killed run. */
const initGraceMs = 2_000;

/** How far its start has come in this process. A run that was taken over was never asked for here. */
type Start =
  | { readonly stage: "none" }
  | { readonly stage: "asked"; readonly request: TaskRequest }
  | { readonly stage: "prepared"; readonly request: TaskRequest; readonly prepared: PreparedRun }
  | { readonly stage: "launched"; readonly env: Environment }
  | { readonly stage: "failed"; readonly error: DriverError };

type Environment = Readonly<Record<string, string>>;

export class Run {
  readonly commands: RunCommands;
  readonly stats: RunStats;
  readonly #task: RunTask;
  readonly #services: () => DriverServices;
  readonly #effects: Readonly<Record<EffectName, () => Promise<void>>> = {
    inspectHost: () => this.#inspectHost(),
    prepareSandbox: () => this.#prepare(),
    launch: () => this.#launch(),
    watchExit: () => this.#watch(),
    sendStopSignal: () => this.#sendStopSignal(),
    startKillTimer: () => this.#startKillTimer(),
    killRun: () => this.#kill(),
    releaseRun: () => this.#release(),
  };
  #start: Start = { stage: "none" };
  /** Aborted once nothing of the run is to be watched any more. */
  readonly #over = new AbortController();
  #killTimer: NodeJS.Timeout | undefined;
  /** This process has killed it; known here before the event that tells it is committed. */
  #killed = false;

  /** @param services those of now: a new configuration brings new ones */
  constructor(task: RunTask, services: () => DriverServices) {
    this.#task = task;
    this.#services = services;
    this.commands = new RunCommands(task);
    this.stats = new RunStats(task);
  }

  /** Takes what the task is to be: to be called before `requested` is recorded. */
  ask(request: TaskRequest): void {
    this.#start = { stage: "asked", request };
  }

  /** The environment that the task was started with, until its agent has been answered. */
  get env(): Environment | undefined {
    return this.#start.stage === "launched" ? this.#start.env : undefined;
  }

  /** Why it could not be started. */
  get failure(): DriverError | undefined {
    return this.#start.stage === "failed" ? this.#start.error : undefined;
  }

  /** The agent has been answered: nothing of the request stays here. */
  answered(): void {
    if (this.#start.stage === "launched") this.#start = { stage: "none" };
  }

  /** Never rejects: a failure becomes an event or, where it cannot, a line of the agent's log. */
  carryOut(effect: EffectName): Promise<void> {
    return this.#effects[effect]()
      .catch((thrown: unknown) => this.#failed(effect, thrown))
      .catch((thrown: unknown) => this.#logFailure(effect, { error: messageOf(thrown) }));
  }

  /** What the host offers, as last probed. */
  async #inspectHost(): Promise<void> {
    await this.#task.record("fingerprinted", fingerprintedEvent(this.#services().facts));
  }

  async #prepare(): Promise<void> {
    if (this.#start.stage !== "asked") return;
    const { request } = this.#start;
    const prepared = await prepareRun(this.#task.id, request, this.#services());
    this.#start = { stage: "prepared", request, prepared };
    let recorded = false;
    try {
      recorded = await this.#task.record("sandboxed", prepared.sandboxed);
    } finally {
      // From here on it is the machine's to end; a fact that was refused told it of none.
      if (!recorded) await prepared.undo();
    }
  }

  async #launch(): Promise<void> {
    if (this.#start.stage !== "prepared") return;
    const { launch, env } = this.#start.prepared;
    const launched = await launch.release();
    this.#start = { stage: "launched", env };
    await this.#task.record("started", { ...launched, bootId: this.#services().facts.bootId });
  }

  async #watch(): Promise<void> {
    if (this.#task.snapshot.context.process === null) return;
    const { signal } = this.#over;
    watchMemory(this.#task, signal);
    await runEnded(this.#task, this.#services(), signal);
    await this.#task.record("exited", exitOf(this.#task.snapshot, this.#killed));
  }

  async #sendStopSignal(): Promise<void> {
    const { stop, process } = this.#task.snapshot.context;
    if (stop === null || process === null) return;
    const delivered = signalGroup(process.task, stop.signal);
    await this.#task.record("signalled", { signal: stop.signal, delivered });
  }

  /** Records that the time is over in which the task could have obeyed. */
  async #startKillTimer(): Promise<void> {
    const { stop } = this.#task.snapshot.context;
    if (stop === null) return;
    const { timeoutMs } = stop;
    await this.#after(timeoutMs);
    await this.#task.record("stopTimedOut", { timeoutMs });
  }

  /**
   * SIGKILL to the task's main process: init then ends the rest of the run and
   * records it. An init that cannot do so any more (stopped by someone, say) is
   * killed itself, and its pid namespace dies with it. Never the cgroup: the next
   * run may be in it already.
   */
  async #kill(): Promise<void> {
    const { stop, process } = this.#task.snapshot.context;
    if (process === null) return;
    const delivered = killTask(process.task);
    if (delivered) this.#killed = true;
    void this.#after(initGraceMs).then(() => {
      if (killInit(process.init)) this.#killed = true;
    });
    await this.#task.record("forceKilled", {
      reason: stop?.timedOut ? "stopTimedOut" : "destroyRequested",
      delivered,
    });
  }

  /** Nothing of a run stays open, scheduled or on disk once it is over. */
  async #release(): Promise<void> {
    clearTimeout(this.#killTimer);
    // Without a reason it would make an error for it.
    this.#over.abort("released");
    const start = this.#start;
    if (start.stage === "prepared") await start.prepared.launch.abandon();
    if (start.stage === "prepared" || start.stage === "asked") this.#start = { stage: "none" };
    const { sandbox, adopted } = this.#task.snapshot.context;
    const folder = (sandbox ?? adopted)?.runFolder;
    // Until the event log knows how the task ended, init's record of it is all there is.
    await this.#services().unsaved.whenStored(this.#task);
    // A few small files: on libuv's threads each step of it would cost more than all of them do here.
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }

  /** Resolves when the time is over, unless another one was set or the run released before. */
  #after(ms: number): Promise<void> {
    clearTimeout(this.#killTimer);
    return new Promise((resolve) => {
      this.#killTimer = setTimeout(resolve, ms);
    });
  }

  async #failed(effect: EffectName, thrown: unknown): Promise<void> {
    const task = this.#task;
    const error = DriverError.from(thrown, "LAUNCH_FAILED", `the effect ${effect} failed`);
    if (isAlive(task.state) || isOver(task.state)) {
      const { code, message } = error;
      this.#logFailure(effect, { code, error: message });
      return;
    }
    const start = this.#start;
    if ("request" in start) logStartError(start.request.stderrPath, start.request.allocDir, error);
    // Its agent removes the cgroup as soon as it is told.
    await cleanUpRun(task.snapshot);
    this.#start = { stage: "failed", error };
    const recorded = await task.record("startFailed", startFailedEvent(error)).catch(() => false);
    if (recorded) return;
    // The store refuses: nobody will be told by an event.
    task.abandon(error);
    await this.#release();
  }

  #logFailure(effect: EffectName, fields: Readonly<Record<string, unknown>>): void {
    this.#services().log.error("a step of a task failed", { task_id: this.#task.id, effect, ...fields });
  }
}
