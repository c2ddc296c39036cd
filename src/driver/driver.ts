/**
 * The driver behind the gRPC services. It keeps the tasks of this process, records
 * requests as events, and answers once the resulting events are committed.
 */

import { combineLatest, map, type Observable, of, ReplaySubject, switchMap } from "rxjs";
import type { PluginOptions } from "../config/options/pluginOptions.ts";
import type { NodeTopology } from "../config/task/nodeTopology.ts";
import type { TaskRequest } from "../config/task/taskRequest.ts";
import { parseHistory } from "../config/values/history.ts";
import { watchHost } from "../effects/host/hostFacts.ts";
import { IdleMemory } from "../effects/processes/idleMemory.ts";
import { hideMemory } from "../effects/processes/ownMemory.ts";
import { raiseOwnFileLimit } from "../effects/processes/resourceLimits.ts";
import { signalGroup } from "../effects/processes/signals.ts";
import { removeSpareFolders } from "../effects/run/runFiles.ts";
import type { DriverError } from "../errors.ts";
import type { Logger } from "../log/hclog.ts";
import { hasEnded, hasStarted } from "../machines/fold.ts";
import { isAlive } from "../machines/taskMachine.ts";
import { parseSignal } from "../signalNames.ts";
import { isPinned, readArchived } from "../store/folder/keptHistories.ts";
import { quarantinedLogs } from "../store/folder/logFolders.ts";
import { removeUsage } from "../store/usage/usageFile.ts";
import type { TaskId } from "../taskId.ts";
import type {
  Capabilities,
  CheckRequest,
  DriverPort,
  ExecOutcome,
  ExecRequest,
  ExecSession,
  ExitResult,
  Fingerprint,
  RecoverableHandle,
  RequestHandOver,
  StartedTask,
  TaskEventMessage,
  TaskStatus,
  TaskUsage,
} from "./driverPort.ts";
import { execOutcome } from "./exec/execOutcome.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { HistoryPruner } from "./history/historyPruning.ts";
import type { TaskHistory } from "./history/taskHistory.ts";
import { Announcements } from "./messages/announcements.ts";
import type { PluginMetrics } from "./metrics/pluginMetrics.ts";
import { Opening, type Outcome } from "./opening/opening.ts";
import { openServices } from "./opening/openServices.ts";
import { optimizeEarly } from "./optimizeEarly.ts";
import { historyOf } from "./recovery/recovery.ts";
import { Run } from "./run/run.ts";
import { Turns } from "./run/turns.ts";
import type { DriverServices } from "./services.ts";
import { Rehearsal } from "./start/rehearsal.ts";
import { startTask } from "./task/startTask.ts";
import { Task } from "./task/task.ts";
import { exitResultOf, taskStatusOf } from "./task/taskStatus.ts";
import { end, killGraceMs, TaskTable } from "./task/taskTable.ts";
import { notConfigured, notReady, notRunning, stillRunning } from "./taskErrors.ts";
import type { TaskTraces } from "./taskTraces.ts";

const defaultStopSignal = "SIGINT";

/**
 * Maximum number of concurrent starts. More would not be faster, and would hold up other calls. A start that
 * waits, for a name service for example, gives up its place.
 */
const startsAtOnce = 16;
const startTurnMs = 500;

/** The maximum timeout of a stop, 24 days: a Node timer with a longer delay fires at once. */
const maxStopMs = 2 ** 31 - 1 - killGraceMs;

/** The current options, and the outcome of opening the services with them. */
interface Configured {
  readonly options: PluginOptions;
  readonly topology: NodeTopology;
  readonly outcome: Outcome<DriverServices>;
}

export class Driver implements DriverPort {
  readonly #log: Logger;
  readonly #socketPath: string;
  readonly #requestHandOver: RequestHandOver;
  readonly #tasks = new TaskTable((taskId, history) => this.#create(taskId, history));
  readonly #announcements: Announcements;
  readonly #configured = new ReplaySubject<Configured>(1);
  #configuring: Promise<void> = Promise.resolve();
  #opening: Opening<DriverServices> | undefined;
  #current: DriverServices | undefined;
  /** Why the services could not be opened yet. */
  #openError: DriverError | undefined;
  #pruner: HistoryPruner | undefined;
  #metrics: PluginMetrics | undefined;
  #traces: TaskTraces | undefined;
  readonly #idleMemory = new IdleMemory();
  #rehearsal: Rehearsal | undefined;
  readonly #starts = new Turns(startsAtOnce, startTurnMs);

  /** @param socketPath the plugin's socket */
  constructor(log: Logger, socketPath: string, requestHandOver: RequestHandOver) {
    this.#log = log;
    this.#requestHandOver = requestHandOver;
    this.#announcements = new Announcements(log);
    this.#socketPath = socketPath;
  }

  /** Rejects for invalid options only. The fingerprint reports a state folder that cannot be used. */
  async configure(options: PluginOptions, topology: NodeTopology): Promise<void> {
    const configuring = this.#configuring.then(() => this.#configure(options, topology));
    this.#configuring = configuring.catch(() => undefined);
    return configuring;
  }

  agentArrived(): void {
    if (this.#current) this.#tasks.unclaim(this.#current);
    this.#announcements.agentArrived(this.#tasks.all.map(({ id }) => id));
  }

  capabilities() {
    return capabilities;
  }

  fingerprints(): Observable<Fingerprint> {
    return this.#configured.pipe(
      switchMap(({ options, topology, outcome }) =>
        combineLatest([
          watchHost(topology),
          outcome.opened?.denials.problems ?? of("the driver cannot work yet"),
        ]).pipe(
          map(([facts, denialProblem]) =>
            fingerprintOf(facts, options, {
              quarantined: quarantinedIn(outcome),
              privateRootProblem: outcome.opened?.privateRootProblem,
              denialProblem,
              error: outcome.error,
            }),
          ),
        ),
      ),
    );
  }

  taskEvents(): Observable<TaskEventMessage> {
    return this.#announcements.messages;
  }

  async startTask(request: TaskRequest, signal: AbortSignal): Promise<StartedTask> {
    this.#announcements.runnerCalls(request.taskId);
    void this.#rehearsal?.end();
    this.#idleMemory.wake();
    try {
      return await this.#starts.take(() => startTask(request, signal, this.#tasks, this.#services));
    } catch (thrown) {
      this.#pruner?.wake();
      throw thrown;
    }
  }

  async recoverTask(handle: RecoverableHandle): Promise<void> {
    this.#idleMemory.wake();
    this.#rehearsal?.postpone();
    // Waits, because the agent would answer an error by destroying the task and starting it anew.
    if (this.#openError) await this.#opening?.settled;
    const services = this.#services;
    await this.#tasks.recover(handle.taskId, services, async () => {
      const history = await historyOf(handle, services);
      this.#announcements.takenOver(handle.taskId, history.snapshot);
      return history;
    });
  }

  async waitTask(taskId: TaskId, signal: AbortSignal): Promise<ExitResult> {
    const task = this.#find(taskId);
    this.#announcements.runnerCalls(taskId);
    return exitResultOf(await task.reached(hasEnded, { signal }));
  }

  async inspectTask(taskId: TaskId): Promise<TaskStatus> {
    return taskStatusOf(taskId, this.#find(taskId).snapshot);
  }

  async stopTask(taskId: TaskId, requestedMs: number, signal: string): Promise<void> {
    this.#announcements.runnerCalls(taskId);
    const timeoutMs = Math.min(requestedMs, maxStopMs);
    const number = parseSignal(signal === "" ? defaultStopSignal : signal);
    const task = await this.#tasks.claim(taskId, this.#ready);
    if (task === undefined) return;
    await task.reached(hasStarted);
    await task.record("stopRequested", { signal: number, timeoutMs });
    await task.reached(hasEnded, { withinMs: timeoutMs + killGraceMs });
  }

  async signalTask(taskId: TaskId, signal: string): Promise<void> {
    const task = this.#find(taskId);
    const number = parseSignal(signal);
    const { process } = task.snapshot.context;
    if (!isAlive(task.state) || process === null) throw notRunning(task, "it cannot be signalled");
    await task.record("signalled", { signal: number, delivered: signalGroup(process.task, number) });
  }

  async taskStats(taskId: TaskId, intervalMs: number): Promise<Observable<TaskUsage>> {
    return this.#find(taskId).run.stats.every(intervalMs, this.#services.facts);
  }

  async exec(taskId: TaskId, request: ExecRequest): Promise<ExecSession> {
    return this.#find(taskId).run.commands.run(request, this.#services);
  }

  async execTask(taskId: TaskId, request: CheckRequest, signal: AbortSignal): Promise<ExecOutcome> {
    return execOutcome(this.#find(taskId).run.commands, request, this.#services, signal);
  }

  async destroyTask(taskId: TaskId, force: boolean): Promise<void> {
    const task = await this.#tasks.claim(taskId, this.#ready);
    if (task === undefined) return;
    if (!hasEnded(task.snapshot)) {
      if (!force) throw stillRunning(task);
      await end(task);
    }
    // The task's commands have ended with it. Their events belong before `destroyed`.
    await task.run.commands.over();
    task.run.denials.close();
    await task.record("destroyed", {});
    this.#tasks.forget(taskId);
    this.#pruner?.wake();
    this.#idleMemory.wake();
  }

  async shutdown(): Promise<void> {
    // Tasks keep running without the plugin. Commands that this process runs in them end, and its resources
    // are released.
    await Promise.all(this.#tasks.all.map(({ run }) => run.commands.end("pluginEnded")));
    await Promise.all(this.#tasks.all.map(({ run }) => run.denials.record().catch(() => undefined)));
    await this.#opening?.stop();
    await this.#metrics?.close();
    await this.#traces?.close();
    await this.#pruner?.close();
    await this.#rehearsal?.end();
    this.#idleMemory.close();
    await this.#current?.unsaved.close();
    this.#current?.usage.close();
    this.#current?.denials[Symbol.dispose]();
    this.#current?.roots[Symbol.dispose]();
    removeSpareFolders();
    await this.#current?.store.close();
    await this.#current?.folder.close();
  }

  async #configure(options: PluginOptions, topology: NodeTopology): Promise<void> {
    optimizeEarly();
    raiseOwnFileLimit();
    hideMemory();
    this.#idleMemory.wake();
    await this.#serveMetrics(options);
    await this.#sendTraces(options);
    await this.#opening?.stop();
    const open = () =>
      openServices(
        options,
        topology,
        this.#log,
        this.#current,
        (taskId) => this.#tasks.knows(taskId),
        this.#socketPath,
      );
    const report = (outcome: Outcome<DriverServices>) => this.#applyOutcome({ options, topology, outcome });
    if (this.#current) {
      report({ opened: await open() });
      return;
    }
    const ask = (signal: AbortSignal) => this.#requestHandOver(options.stateDir, signal);
    this.#opening = new Opening(open, ask, report);
    await this.#opening.firstOutcome;
  }

  /** The module is loaded only if the option is set, because it needs an HTTP server. */
  async #serveMetrics({ metrics: address }: PluginOptions): Promise<void> {
    if (address !== "" && this.#metrics === undefined) {
      const { PluginMetrics } = await import("./metrics/pluginMetrics.ts");
      const logBytes = () => this.#current?.store.bytes();
      this.#metrics = new PluginMetrics({ tasks: () => this.#tasks.all, logBytes }, this.#log);
    }
    await this.#metrics?.configure(address);
  }

  /**
   * The module is loaded only if the option is set, because OpenTelemetry's libraries are large.
   * @throws DriverError `CONFIG_INVALID`
   */
  async #sendTraces({ traces }: PluginOptions): Promise<void> {
    if (traces === (this.#traces !== undefined)) return;
    await this.#traces?.close();
    this.#traces = undefined;
    if (!traces) return;
    const { TaskTraces } = await import("./taskTraces.ts");
    this.#traces = new TaskTraces(() => this.#current?.store, this.#log);
  }

  #applyOutcome(configured: Configured): void {
    const { opened, error } = configured.outcome;
    if (error) {
      const { code, message } = error;
      this.#log.error("the driver cannot work yet; it is tried again", { code, error: message });
    } else {
      if (this.#openError) this.#log.info("the driver can work now");
      this.#current = opened;
      this.#pruner ??= this.#createPruner(opened);
      this.#rehearsal ??= new Rehearsal(opened);
      this.#pruner.wake();
    }
    this.#openError = error;
    this.#configured.next(configured);
  }

  /**
   * The open services; undefined before the first configuration.
   * @throws DriverError why they could not be opened, as a recoverable error
   */
  get #ready(): DriverServices | undefined {
    if (this.#openError) throw notReady(this.#openError);
    return this.#current;
  }

  get #services(): DriverServices {
    const ready = this.#ready;
    if (ready) return ready;
    throw notConfigured();
  }

  #find(taskId: TaskId): Task {
    return this.#tasks.find(taskId, this.#ready);
  }

  #create(taskId: TaskId, history: TaskHistory | undefined): Task {
    const { store, unsaved } = this.#services;
    return new Task(
      taskId,
      {
        store,
        now: Date.now,
        createRun: (task) => new Run(task, () => this.#services),
        onCommitted: (committed) => {
          this.#metrics?.note(committed);
          this.#traces?.note(committed);
          const publish = () => this.#announcements.committed(committed, store, () => this.#tasks.all);
          // StartTask and RecoverTask answer first, because an announcement may look into the log. An end is
          // announced before WaitTask answers, because the client drops events after that.
          const { type } = committed.event;
          if (type === "started" || type === "recovered") setImmediate(publish);
          else publish();
        },
        onStoreFailure: (task, error) => unsaved.add(task, error),
      },
      history,
    );
  }

  #createPruner({ store, log, unclaimed, folder }: DriverServices): HistoryPruner {
    return new HistoryPruner({
      store,
      log,
      now: Date.now,
      bounds: () => parseHistory(this.#services.options.history),
      isHeld: (taskId) => this.#tasks.knows(taskId) || unclaimed.has(taskId) || isPinned(folder.path, taskId),
      archived: () => readArchived(folder.path),
      removeFiles: (taskId) => removeUsage(folder.events, taskId),
    });
  }
}

function quarantinedIn({ opened }: Outcome<DriverServices>): string[] {
  return opened ? quarantinedLogs(opened.folder.events) : [];
}

/** The capabilities that the driver reports to Nomad. */
export const capabilities: Capabilities = {
  sendSignals: true,
  exec: true,
  fsIsolation: "unveil",
  networkModes: ["host", "group", "none"],
  mountConfigs: "any",
  // With `true`, a client would start no log collector and create no FIFOs, but still send their paths.
  disableLogCollection: false,
  dynamicWorkloadUsers: true,
};
