/**
 * The driver behind the gRPC services. It keeps the tasks of this process, records
 * requests as events, and answers once the resulting events are committed.
 */

import { combineLatest, map, type Observable, ReplaySubject, switchMap } from "rxjs";
import type { DriverError } from "../base/errors.ts";
import type { Logger } from "../base/hclog.ts";
import { parseSignal } from "../base/signalNames.ts";
import type { TaskId } from "../base/taskId.ts";
import type { NodeTopology } from "../effects/cgroup/nodeTopology.ts";
import type { EditedEgress, EgressEdit } from "../effects/egress/egressChange.ts";
import { watchHost } from "../effects/host/hostFacts.ts";
import type { TaskRequest } from "../effects/launch/taskRequest.ts";
import type { LogPipes } from "../effects/logs/destination.ts";
import { endLogs } from "../effects/logs/logPipes.ts";
import { signalGroup } from "../effects/processes/signals.ts";
import { hasEnded, isAlive } from "../machines/taskMachine.ts";
import { quarantinedLogs } from "../store/folder/logFolders.ts";
import { capabilitiesOf, exitResultOf, fingerprintOf, taskStatusOf } from "./answers.ts";
import type {
  ByWhom,
  CheckRequest,
  DriverPort,
  ExecOutcome,
  ExecRequest,
  ExecSession,
  ExitResult,
  Fingerprint,
  OperatorRequest,
  RecoverableHandle,
  RequestHandOver,
  StartedTask,
  TaskEventMessage,
  TaskStatus,
  TaskUsage,
} from "./driverPort.ts";
import { execOutcome } from "./exec/execOutcome.ts";
import { operatorEvent } from "./history/operatorEvent.ts";
import type { TaskHistory } from "./history/taskHistory.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Announcements } from "./messages/announcements.ts";
import { findingsOf } from "./node/nodeParts.ts";
import type { ReadCandidate } from "./observe/candidate.ts";
import { Opening, type Outcome } from "./opening/opening.ts";
import { closeServices, openServices } from "./opening/openServices.ts";
import { deprecatedIn, type PluginOptions } from "./options/pluginOptions.ts";
import { historyOf } from "./recovery/recovery.ts";
import { Run } from "./run/run.ts";
import { Semaphore } from "./run/semaphore.ts";
import type { DriverServices } from "./services.ts";
import { Task } from "./task/task.ts";
import { TaskTable } from "./task/taskTable.ts";
import { notConfigured, notRunning, stillRunning } from "./taskErrors.ts";

const defaultStopSignal = "SIGINT";

/**
 * Maximum number of concurrent starts. More would not be faster, and would hold up other calls. After
 * `maxStartHoldMs` a start no longer counts: it probably waits, for example for a name service.
 */
const maxStarts = 16;
const maxStartHoldMs = 500;

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
  readonly #readCandidate: ReadCandidate;
  readonly #tasks = new TaskTable((taskId, history) => this.#create(taskId, history));
  readonly #announcements: Announcements;
  /** The log pipes of recovered tasks, until WaitTask is answered for the first time. */
  readonly #recoveredLogs = new Map<TaskId, LogPipes>();
  readonly #configured = new ReplaySubject<Configured>(1);
  #configuring: Promise<void> = Promise.resolve();
  #options: Pick<PluginOptions, "logCollection"> = { logCollection: "agent" };
  #opening: Opening<DriverServices> | undefined;
  #current: DriverServices | undefined;
  /** Why the last attempt to open the services failed. */
  #openError: DriverError | undefined;
  readonly #housekeeping: Housekeeping;
  readonly #starts = new Semaphore(maxStarts, maxStartHoldMs);

  /**
   * @param socketPath the plugin's socket
   * @param readCandidate reads the job file of the option `candidate`
   */
  constructor(
    log: Logger,
    socketPath: string,
    requestHandOver: RequestHandOver,
    readCandidate: ReadCandidate,
  ) {
    this.#readCandidate = readCandidate;
    this.#log = log;
    this.#requestHandOver = requestHandOver;
    this.#announcements = new Announcements(log);
    this.#socketPath = socketPath;
    this.#housekeeping = new Housekeeping(this.#tasks, () => this.#current, log);
  }

  /** Rejects for invalid options only. The fingerprint reports a state folder that cannot be used. */
  async configure(options: PluginOptions, topology: NodeTopology): Promise<void> {
    const configuring = this.#configuring.then(() => this.#configure(options, topology));
    this.#configuring = configuring.catch(() => undefined);
    return configuring;
  }

  agentArrived(): void {
    if (this.#current) this.#tasks.markUnclaimed(this.#current);
    this.#announcements.agentArrived(this.#tasks.all.map(({ id }) => id));
  }

  capabilities() {
    return capabilitiesOf(this.#options);
  }

  fingerprints(): Observable<Fingerprint> {
    return this.#configured.pipe(
      switchMap(({ options, topology, outcome: { opened, error } }) =>
        combineLatest([watchHost(topology), findingsOf(opened, options)]).pipe(
          map(([facts, look]) =>
            fingerprintOf(facts, options, {
              quarantined: opened ? quarantinedLogs(opened.folder.events) : [],
              offers: look(),
              error,
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
    this.#housekeeping.starting();
    try {
      return await this.#starts.run(() => this.#tasks.start(request, signal, this.#services));
    } catch (thrown) {
      this.#housekeeping.forgotten();
      throw thrown;
    } finally {
      this.#housekeeping.startIsOver();
    }
  }

  async recoverTask(handle: RecoverableHandle, logs: LogPipes): Promise<void> {
    this.#housekeeping.recovering();
    // Waits, because the agent would answer an error by destroying the task and starting it anew.
    if (this.#openError) await this.#opening?.settled;
    const services = this.#services;
    try {
      const task = await this.#tasks.recover(handle.taskId, services, async () => {
        const history = await historyOf(handle, services);
        this.#announcements.takenOver(handle.taskId, history.snapshot);
        return history;
      });
      if (hasEnded(task.snapshot)) endLogs(logs);
      // A restarted agent begins to collect logs only after this answer.
      this.#recoveredLogs.set(handle.taskId, logs);
    } catch (thrown) {
      endLogs(logs);
      throw thrown;
    }
  }

  async waitTask(taskId: TaskId, signal: AbortSignal): Promise<ExitResult> {
    const task = this.#find(taskId);
    this.#announcements.runnerCalls(taskId);
    const ended = await task.reached(hasEnded, { signal });
    this.#endRecoveredLogs(taskId);
    return exitResultOf(ended, taskId, this.#services.options.exitMessage);
  }

  async inspectTask(taskId: TaskId): Promise<TaskStatus> {
    return taskStatusOf(taskId, this.#find(taskId).snapshot, this.#services.options.exitMessage);
  }

  async stopTask(taskId: TaskId, timeoutMs: number, signal: string, reason?: string): Promise<void> {
    this.#announcements.runnerCalls(taskId);
    const number = parseSignal(signal === "" ? defaultStopSignal : signal);
    const task = await this.#tasks.claim(taskId, this.#ready);
    await task?.stop(number, timeoutMs, reason);
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
    return this.#find(taskId).run.parts.commands.run(request, this.#services);
  }

  async execTask(taskId: TaskId, request: CheckRequest, signal: AbortSignal): Promise<ExecOutcome> {
    return execOutcome(this.#find(taskId).run.parts.commands, request, this.#services, signal);
  }

  async recordOperator(taskId: TaskId, request: OperatorRequest): Promise<void> {
    const task = this.#find(taskId);
    const isRecorded = isAlive(task.state) && (await task.record("operated", operatorEvent(request)));
    if (!isRecorded) throw notRunning(task, "an operator can only reach a running task");
    // If the log cannot be written, a running task's events are kept for later. Nobody acts unrecorded.
    await task.stored();
  }

  async changeEgress(taskId: TaskId, edit: EgressEdit, byWhom: ByWhom): Promise<EditedEgress> {
    return await this.#find(taskId).run.parts.egress.change(edit, byWhom);
  }

  async destroyTask(taskId: TaskId, force: boolean): Promise<void> {
    const task = await this.#tasks.claim(taskId, this.#ready);
    if (task === undefined) return;
    if (!hasEnded(task.snapshot)) {
      if (!force) throw stillRunning(task);
      await task.end();
    }
    // The task's commands have ended together with the task. Their events belong before `destroyed`.
    await task.run.parts.commands.over();
    await task.run.parts.denials.finish();
    await task.record("destroyed", {});
    this.#tasks.forget(taskId);
    this.#recoveredLogs.delete(taskId);
    this.#housekeeping.forgotten();
  }

  async shutdown(): Promise<void> {
    // Tasks keep running without the plugin. The commands that this process runs in them are ended, and its
    // resources are released.
    await Promise.all(this.#tasks.all.map(({ run }) => run.parts.commands.end()));
    await Promise.all(this.#tasks.all.map(({ run }) => run.parts.denials.record().catch(() => undefined)));
    await this.#opening?.stop();
    await this.#housekeeping.close();
    for (const { run } of this.#tasks.all) run.leave();
    if (this.#current) await closeServices(this.#current);
  }

  async #configure(options: PluginOptions, topology: NodeTopology): Promise<void> {
    this.#options = options;
    for (const { option, since, instead } of deprecatedIn(options))
      this.#log.warn("the plugin block has a deprecated option", { option, since, instead });
    await this.#housekeeping.configure(options);
    await this.#opening?.stop();
    const open = () =>
      openServices(
        options,
        topology,
        this.#log,
        this.#current,
        (taskId) => this.#tasks.knows(taskId),
        this.#socketPath,
        this.#readCandidate,
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

  #applyOutcome(configured: Configured): void {
    const { opened, error } = configured.outcome;
    if (error) {
      const { code, message } = error;
      this.#log.error("the driver cannot work yet, and tries again", { code, error: message });
    } else {
      if (this.#openError) this.#log.info("the driver can work now");
      this.#current = opened;
      this.#housekeeping.opened(opened);
    }
    this.#openError = error;
    this.#configured.next(configured);
  }

  /**
   * The open services; undefined before the first configuration.
   * @throws DriverError the reason why they could not be opened, as a recoverable error
   */
  get #ready(): DriverServices | undefined {
    if (this.#openError) throw this.#openError.within("the driver cannot work yet", { recoverable: true });
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

  /** Ends a recovered task's logs once: afterwards, the agent's next run of the task uses the same pipes. */
  #endRecoveredLogs(taskId: TaskId): void {
    const logs = this.#recoveredLogs.get(taskId);
    if (logs === undefined) return;
    this.#recoveredLogs.delete(taskId);
    endLogs(logs);
  }

  #create(taskId: TaskId, history: TaskHistory | undefined): Task {
    const { store, unsaved, goodRuns } = this.#services;
    return new Task(
      taskId,
      {
        store,
        now: Date.now,
        createRun: (task) => new Run(task, () => this.#services),
        onCommitted: (committed) => {
          this.#housekeeping.committed(committed);
          const publish = () => this.#announcements.committed(committed, store, () => this.#tasks.all);
          // StartTask and RecoverTask answer first, because an announcement may read the log. An end is
          // announced before WaitTask answers, because the client drops later events.
          const { type } = committed.event;
          if (type === "exited") goodRuns.note(taskId, committed.snapshot.context);
          if (type === "started" || type === "recovered") setImmediate(publish);
          else publish();
        },
        onStoreFailure: (task, error) => unsaved.add(task, error),
      },
      history,
    );
  }
}
