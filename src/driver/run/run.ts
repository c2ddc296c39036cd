/**
 * A run is the object that this process keeps in memory for a living task. It provides the task's machine with
 * its actions, one method per effect. The actions record their results.
 *
 * Recovery does not depend on this object. The request, with its secrets, is kept only here.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { Subscription } from "rxjs";
import { DriverError, messageOf } from "../../base/errors.ts";
import { Secrets } from "../../base/masking.ts";
import type { WatchedRun } from "../../effects/blackBox/blackBox.ts";
import { type PreparedRun, prepareRun } from "../../effects/launch/prepare.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import { logStartError } from "../../effects/logs/logPipes.ts";
import { egressLists } from "../../effects/network/egress.ts";
import { isSameProcess } from "../../effects/processes/processIdentity.ts";
import { killInit, killTask, signalGroup } from "../../effects/processes/signals.ts";
import { removeRunFiles } from "../../effects/run/runFiles.ts";
import { stopCommandFailed } from "../../machines/events/ending.ts";
import {
  type EffectName,
  isAlive,
  isOver,
  type TaskAction,
  type TaskMachine,
  taskMachine,
} from "../../machines/taskMachine.ts";
import { RunDenials } from "../denials/runDenials.ts";
import { RunDisk } from "../disk/runDisk.ts";
import { RunEgress } from "../egress/runEgress.ts";
import { RunCommands } from "../exec/commands.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { fingerprintedEvent, startFailedEvent } from "../history/startEvents.ts";
import { secretsOfRunning } from "../history/taskSecrets.ts";
import { type Retry, retrying } from "../retry.ts";
import type { DriverServices } from "../services.ts";
import { endingOf } from "./ending.ts";
import { cleanUpRun, exitOf } from "./runEnd.ts";
import { endOutput, RunOutput } from "./runOutput.ts";
import { watchProgramOf } from "./runProgram.ts";
import { watchStalls } from "./stallWatch.ts";
import { RunStats } from "./stats.ts";
import { commandTimeOf, runStopCommand, stopCommandOf } from "./stopCommand.ts";
import { MemoryWatch, runEnded } from "./watch.ts";

/** After this many attempts, one a second, a task's end is recorded without what cannot be read. */
const maxAttempts = 30;
const isMaxAttempts = (attempts: number) => attempts >= maxAttempts;

/** Milliseconds that init gets to end the rest of a killed run. */
const initGraceMs = 2_000;

/** The stage of the start in this process. A run that was taken over stays at `none`. */
type Start =
  | { readonly stage: "none" }
  | { readonly stage: "requested"; readonly request: TaskRequest; readonly claimUser: () => void }
  | { readonly stage: "prepared"; readonly request: TaskRequest; readonly prepared: PreparedRun }
  | { readonly stage: "launched"; readonly env: Environment }
  | { readonly stage: "failed"; readonly error: DriverError };

type Environment = Readonly<Record<string, string>>;

export class Run {
  /** One machine for all runs, because a copy takes 30 KiB. So its actions get the run that they act on. */
  static readonly #machine = taskMachine.provide({
    actions: {
      inspectHost: actionOf((run) => run.#inspectHost()),
      prepareSandbox: actionOf((run) => run.#prepare()),
      launch: actionOf((run) => run.#launch()),
      watchExit: actionOf((run) => run.#watch()),
      sendStopSignal: actionOf((run) => run.#sendStopSignal()),
      startKillTimer: actionOf((run) => run.#startKillTimer()),
      killRun: actionOf((run) => run.#kill()),
      releaseRun: actionOf((run) => run.#release()),
    } satisfies Readonly<Record<EffectName, unknown>>,
  });
  readonly commands: RunCommands;
  readonly denials: RunDenials;
  readonly stats: RunStats;
  readonly #egress: RunEgress;
  readonly #disk: RunDisk;
  readonly #task: RecordedTask;
  readonly #memory: MemoryWatch;
  readonly #output: RunOutput;
  readonly #services: () => DriverServices;
  #start: Start = { stage: "none" };
  /** Undefined until they are needed, in a run that this process has not started. */
  #secrets: Secrets | undefined;
  /** Ends once the run need not be watched any more. */
  readonly #watching = new Subscription();
  /** The run in the black box. */
  #watched: WatchedRun | undefined;
  #killTimer: NodeJS.Timeout | undefined;
  #signalTimer: NodeJS.Timeout | undefined;
  /**
   * Whether the task is being asked to stop by its command. A repeated stop joins the first one meanwhile, and
   * sends the signal at once afterwards.
   */
  #stopCommand: "notRun" | "underWay" | "over" = "notRun";
  /** Whether this process has killed the run; set before the event `forceKilled` is committed. */
  #killed = false;

  /** @param services returns the current services: a new configuration replaces them */
  constructor(task: RecordedTask, services: () => DriverServices) {
    this.#task = task;
    this.#memory = new MemoryWatch(task);
    this.#output = new RunOutput(task);
    this.#services = services;
    this.denials = new RunDenials(task);
    this.#egress = new RunEgress(task, this.denials, services);
    this.#disk = new RunDisk(task, services);
    this.commands = new RunCommands(task, this.denials);
    this.stats = new RunStats(task);
  }

  /**
   * Sets the request to prepare. To be called before `requested` is recorded.
   * @param claimUser claims the request's user for the task; if it throws, the start fails
   */
  setRequest(request: TaskRequest, claimUser: () => void): void {
    this.#start = { stage: "requested", request, claimUser };
    this.#secrets = new Secrets(request.env, true);
  }

  /** What no event, error and line of the agent's log may have of the task's environment. */
  get secrets(): Secrets {
    this.#secrets ??= secretsOfRunning(this.#task.snapshot.context);
    return this.#secrets;
  }

  /** The environment that the task was started with, until {@link answered}. */
  get env(): Environment | undefined {
    return this.#start.stage === "launched" ? this.#start.env : undefined;
  }

  /** Why the start failed. */
  get failure(): DriverError | undefined {
    return this.#start.stage === "failed" ? this.#start.error : undefined;
  }

  /** To be called when this process ends before the run. The next one watches the run, and tells its end. */
  leave(): void {
    this.#watching.unsubscribe();
    this.denials.closeLog();
  }

  /** To be called once the agent has its answer. Drops what is left of the request. */
  answered(): void {
    if (this.#start.stage === "launched") this.#start = { stage: "none" };
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

  async #prepare(): Promise<void> {
    if (this.#start.stage !== "requested") return;
    const { request, claimUser } = this.#start;
    claimUser();
    const lists = egressLists(request.options, this.#services().options);
    if (lists !== undefined) await this.#egress.resolve(lists, request.dns?.servers ?? []);
    const prepared = await prepareRun(request, this.#services(), this.#egress);
    this.#start = { stage: "prepared", request, prepared };
    this.denials.keepLog(prepared.lastLine);
    let recorded = false;
    try {
      recorded = await this.#task.record("sandboxed", prepared.sandboxed);
    } finally {
      // If `sandboxed` is recorded, the machine later releases the run. Otherwise only this method can undo
      // the preparation.
      if (!recorded) await prepared.undo();
    }
  }

  async #launch(): Promise<void> {
    if (this.#start.stage !== "prepared") return;
    const { launch, env } = this.#start.prepared;
    this.#record();
    const launched = await launch.release();
    this.#start = { stage: "launched", env };
    await this.#task.record("started", { ...launched, bootId: this.#services().facts.bootId });
  }

  async #watch(): Promise<void> {
    if (this.#task.snapshot.context.process === null) return;
    // Lets RecoverTask answer first.
    if (this.#task.state === "recovered") await nextTurn();
    if (this.#watching.closed) return;
    // Of a run that was taken over, they are known only as long as its main process lives.
    void this.secrets;
    const endMemoryWatch = this.#memory.begin();
    this.#watching.add(endMemoryWatch);
    this.#watching.add(
      watchStalls(this.#task, ({ code, message }) => this.#logFailure("watchExit", { code, error: message })),
    );
    this.#sampleUsage();
    this.#record();
    this.denials.begin(this.#services().denials);
    this.#resumeEgress();
    this.#output.begin(this.#services(), this.#watching);
    const program = watchProgramOf(this.#task.snapshot.context, this.#services().folder.path);
    this.#watching.add(() => program?.cancel());
    await runEnded(this.#task, this.#services(), this.#watching);
    if (this.#watching.closed) return;
    // A kill that is noticed from now on may be the end itself. Nobody has survived it.
    endMemoryWatch();
    // Nobody waits for the last sample: the agent removes the cgroup only after it has learned of the end.
    void this.#services().usage.finish(this.#task.id);
    const retry = this.#retrying("the end of a task cannot be read yet");
    await retry(() => this.commands.close(), isMaxAttempts);
    await retry(() => this.#egress.settle(), isMaxAttempts);
    const unrecorded = { killed: this.#killed, oomSeen: this.#memory.seen };
    const exit =
      (await retry(() => exitOf(this.#task.snapshot, unrecorded), isMaxAttempts)) ??
      exitOf(this.#task.snapshot, { ...unrecorded, unreadable: true });
    await retry(() => this.denials.end(exit), isMaxAttempts);
    const output = (await retry(() => this.#output.end(), isMaxAttempts)) ?? null;
    const refused = this.denials.lastBefore(exit.endedAt);
    const { secrets } = this;
    const seen = { exit, output, secrets, refused, program, readNotes: () => this.#watched?.read() };
    await this.#task.record("exited", await endingOf(this.#task.snapshot, seen, this.#services()));
  }

  /** Lets the black box note what concerns the run. */
  #record(): void {
    const { request } = this.#task.snapshot.context;
    if (request !== null) this.#watched ??= this.#services().recorder.watch(request.resources.cgroup);
  }

  #resumeEgress(): void {
    void this.#egress.resume().catch((thrown: unknown) => {
      const { code, message } = DriverError.from(thrown, "EGRESS_UNAVAILABLE", "the rules are not in force");
      this.#logFailure("watchExit", { code, error: message });
    });
  }

  #sampleUsage(): void {
    const { request, startedAt } = this.#task.snapshot.context;
    if (request === null) return;
    this.#services().usage.watch(this.#task.id, {
      cgroup: request.resources.cgroup,
      begunAt: startedAt ?? Date.now(),
      ...(this.#disk.isLimited && { readDisk: () => this.#disk.look() }),
    });
  }

  async #sendStopSignal(): Promise<void> {
    const { stop, process } = this.#task.snapshot.context;
    if (stop === null || process === null) return;
    if (this.#stopCommand === "underWay") return;
    const retry = this.#retrying("a task cannot be stopped yet");
    const hasCommand =
      this.#stopCommand === "notRun" && stopCommandOf(this.#task.snapshot.context).length > 0;
    if (hasCommand && !(await this.#outlivesStopCommand(stop.timeoutMs, retry))) return;
    const delivered = await retry(
      () => signalGroup(process.task, stop.signal),
      () => this.#task.state !== "stopping",
    );
    if (delivered !== undefined) await this.#task.record("signalled", { signal: stop.signal, delivered });
  }

  /**
   * Runs the task's stop command. If it succeeds, the task gets the rest of the command's time to end by itself.
   * @returns whether the task goes on, and has to get the signal
   */
  async #outlivesStopCommand(timeoutMs: number, retry: Retry): Promise<boolean> {
    this.#stopCommand = "underWay";
    const begun = performance.now();
    const limitMs = commandTimeOf(timeoutMs);
    const { context } = this.#task.snapshot;
    const command = stopCommandOf(context).map((word) => this.secrets.expand(word));
    const ended = await runStopCommand(context, command, limitMs, this.commands, this.#services);
    await this.#task.record("stopCommandEnded", ended);
    if (!stopCommandFailed(ended)) {
      const leftMs = Math.max(0, limitMs - (performance.now() - begun));
      await new Promise((resolve) => {
        this.#signalTimer = setTimeout(resolve, leftMs);
      });
    }
    this.#stopCommand = "over";
    const { state, snapshot } = this.#task;
    const { process } = snapshot.context;
    if (state !== "stopping" || process === null) return false;
    const isAliveStill = await retry(
      () => isSameProcess(process.task),
      () => this.#task.state !== "stopping",
    );
    return isAliveStill === true;
  }

  /** Records `stopTimedOut` when the stop's timeout is over. */
  async #startKillTimer(): Promise<void> {
    const { stop } = this.#task.snapshot.context;
    if (stop === null) return;
    const { timeoutMs } = stop;
    await this.#after(timeoutMs);
    await this.#task.record("stopTimedOut", { timeoutMs });
  }

  /**
   * Sends SIGKILL to the task's main process. Init then ends the rest of the run and records the exit. If
   * init misses its deadline, for example because it is stopped, init is killed too. Its pid namespace ends
   * with it. The cgroup is never killed, because the next run may be in it already.
   */
  async #kill(): Promise<void> {
    const { stop, process } = this.#task.snapshot.context;
    if (process === null) return;
    const retry = this.#retrying("a task cannot be killed yet");
    const isOverAlready = () => isOver(this.#task.state);
    const delivered = await retry(() => killTask(process.task), isOverAlready);
    if (delivered === undefined) return;
    if (delivered) this.#killed = true;
    void this.#after(initGraceMs)
      .then(() => retry(() => killInit(process.init), isOverAlready))
      .then((killed) => {
        if (killed) this.#killed = true;
      });
    await this.#task.record("forceKilled", {
      reason: stop?.timedOut ? "stopTimedOut" : "destroyRequested",
      delivered,
    });
  }

  #retrying(problem: string): Retry {
    return retrying(() => this.#services().log, this.#task.id, problem);
  }

  /** Releases all resources of the run. */
  async #release(): Promise<void> {
    clearTimeout(this.#killTimer);
    clearTimeout(this.#signalTimer);
    this.denials.closeLog();
    this.#watched?.[Symbol.dispose]();
    this.#watching.unsubscribe();
    const start = this.#start;
    if (start.stage === "prepared") await start.prepared.launch.abandon();
    if (start.stage === "prepared" || start.stage === "requested") this.#start = { stage: "none" };
    const { request, sandbox, adopted } = this.#task.snapshot.context;
    const folder = (sandbox ?? adopted)?.runFolder;
    // Whoever waits for the end is answered first: a folder's removal may wait for the disk.
    await nextTurn();
    this.#egress.release();
    // Until the exit is in the event log, init's record in this folder is the only copy.
    await this.#services().unsaved.whenStored(this.#task);
    if (request !== null && sandbox?.disk !== undefined)
      await this.#services().disk.release({ ...request, taskId: this.#task.id }, sandbox.disk);
    if (folder !== undefined) removeRunFiles(folder);
  }

  /** Resolves after `ms`, unless another timer is set or the run is released before then. */
  #after(ms: number): Promise<void> {
    clearTimeout(this.#killTimer);
    return new Promise((resolve) => {
      this.#killTimer = setTimeout(resolve, ms);
    });
  }

  async #failed(effect: EffectName, thrown: unknown): Promise<void> {
    const task = this.#task;
    const error = this.secrets.maskError(
      DriverError.from(thrown, "LAUNCH_FAILED", `the effect ${effect} failed`),
    );
    const start = this.#start;
    // If an earlier start of the task has failed, its state shows that until `requested` is committed again.
    const isStart = "request" in start;
    if (!isStart && (isAlive(task.state) || isOver(task.state))) {
      const { code, message } = error;
      this.#logFailure(effect, { code, error: message });
      return;
    }
    if (isStart) {
      const { stderrPath, allocDir, logBounds, journal } = start.request;
      const writer = logBounds !== null ? "driver" : journal !== null ? "agent or driver" : "agent";
      logStartError(stderrPath, allocDir, error, writer);
    }
    const cleanUp = async () => {
      // Only after a failure in the driver itself. Otherwise nothing of the launch is left.
      if (start.stage === "prepared") await start.prepared.undo();
      // The relay is in the task's cgroup.
      if (isStart && start.request.journal !== null) await endOutput(task.snapshot.context);
      // The agent removes the cgroup as soon as it has the answer.
      await cleanUpRun(task.snapshot);
    };
    await cleanUp().catch((late: unknown) => this.#logFailure(effect, { error: messageOf(late) }));
    this.#start = { stage: "failed", error };
    const recorded = await task.record("startFailed", startFailedEvent(error)).catch(() => false);
    if (recorded) return;
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
