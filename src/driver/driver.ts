/**
 * The driver behind the gRPC services: keeps the tasks of this process, turns
 * requests into facts, and answers once the facts that follow are committed.
 */
import { map, type Observable, ReplaySubject, Subject, switchMap } from "rxjs";
import type { NodeTopology } from "../config/nodeTopology.ts";
import type { PluginOptions } from "../config/pluginOptions.ts";
import type { TaskRequest } from "../config/taskRequest.ts";
import { envDigest } from "../effects/envDigest.ts";
import { watchHost } from "../effects/hostFacts.ts";
import { parseSignal, signalGroup } from "../effects/signals.ts";
import { DriverError } from "../errors.ts";
import type { Logger } from "../log/hclog.ts";
import { hasEnded, hasStarted, stateName } from "../machines/fold.ts";
import { isAlive } from "../machines/taskMachine.ts";
import { capabilities } from "./capabilities.ts";
import type {
  DriverPort,
  ExitResult,
  Fingerprint,
  RecoverableHandle,
  StartedTask,
  TaskEventMessage,
  TaskStatus,
  TaskUsage,
} from "./driverPort.ts";
import { runEffect } from "./effectRunner.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { openServices } from "./openServices.ts";
import { historyOf, takeOver } from "./recovery.ts";
import { requestedEvent } from "./requestedEvent.ts";
import type { DriverServices } from "./services.ts";
import { type CommittedStep, Task, type TaskHistory } from "./task.ts";
import { existsAlready, notFound, notRunning, stillRunning } from "./taskErrors.ts";
import { encodeHandle, handleOf } from "./taskHandle.ts";
import { messagesOfEvent } from "./taskMessages.ts";
import { taskStats } from "./taskStats.ts";
import { exitResultOf, taskStatusOf } from "./taskStatus.ts";

const defaultStopSignal = "SIGINT";

/** How long the kernel may take to end a killed task before the agent is told that it has not. */
const killGraceMs = 30_000;

/** 24 days: a Node timer that is given more fires at once. */
const longestStopMs = 2 ** 31 - 1 - killGraceMs;

export class Driver implements DriverPort {
  readonly #log: Logger;
  readonly #tasks = new Map<string, Task>();
  readonly #messages = new Subject<TaskEventMessage>();
  readonly #configured = new ReplaySubject<DriverServices>(1);
  #present: DriverServices | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  async configure(options: PluginOptions, topology: NodeTopology): Promise<void> {
    this.#present = await openServices(options, topology, this.#log, this.#present);
    this.#configured.next(this.#present);
  }

  capabilities() {
    return capabilities;
  }

  fingerprints(): Observable<Fingerprint> {
    return this.#configured.pipe(
      switchMap(({ options, topology }) =>
        watchHost(topology).pipe(map((facts) => fingerprintOf(facts, options))),
      ),
    );
  }

  taskEvents(): Observable<TaskEventMessage> {
    return this.#messages.asObservable();
  }

  async startTask(request: TaskRequest): Promise<StartedTask> {
    const { taskId } = request;
    if (this.#tasks.has(taskId)) throw existsAlready(taskId);
    const task = this.#adopt(taskId);
    task.resources.request = request;
    try {
      await task.record(
        "requested",
        requestedEvent(request, envDigest(request.env, this.#services.folder.path), this.#services.plugin),
      );
      const snapshot = await task.reached(hasStarted);
      if (stateName(snapshot) === "failed") throw task.resources.startError;
      return { driverState: encodeHandle(handleOf(taskId, snapshot)), env: task.resources.environment ?? {} };
    } catch (thrown) {
      this.#tasks.delete(taskId);
      throw thrown instanceof DriverError && thrown.code === "WRONG_EXPECTED_VERSION"
        ? existsAlready(taskId)
        : thrown;
    } finally {
      delete task.resources.environment;
    }
  }

  async recoverTask(handle: RecoverableHandle): Promise<void> {
    const services = this.#services;
    if (this.#tasks.has(handle.taskId)) return;
    const history = await historyOf(handle, services);
    // Asked for twice at once, it is taken over once.
    if (this.#tasks.has(handle.taskId)) return;
    const task = this.#adopt(handle.taskId, history);
    try {
      await takeOver(task, services);
    } catch (thrown) {
      this.#tasks.delete(handle.taskId);
      throw thrown;
    }
  }

  async waitTask(taskId: string, signal: AbortSignal): Promise<ExitResult> {
    const task = this.#find(taskId);
    return exitResultOf(await task.reached(hasEnded, { signal }));
  }

  async inspectTask(taskId: string): Promise<TaskStatus> {
    return taskStatusOf(taskId, this.#find(taskId).snapshot);
  }

  async stopTask(taskId: string, wantedMs: number, signal: string): Promise<void> {
    const timeoutMs = Math.min(wantedMs, longestStopMs);
    const number = parseSignal(signal === "" ? defaultStopSignal : signal);
    const task = this.#tasks.get(taskId);
    if (task === undefined) return;
    await task.reached(hasStarted);
    await task.record("stopRequested", { signal: number, timeoutMs });
    await task.reached(hasEnded, { withinMs: timeoutMs + killGraceMs });
  }

  async signalTask(taskId: string, signal: string): Promise<void> {
    const task = this.#find(taskId);
    const number = parseSignal(signal);
    const { process } = task.snapshot.context;
    if (!isAlive(task.state) || process === null) throw notRunning(task, "it cannot be signalled");
    await task.record("signalled", { signal: number, delivered: signalGroup(process.task, number) });
  }

  async taskStats(taskId: string, intervalMs: number): Promise<Observable<TaskUsage>> {
    return taskStats(this.#find(taskId), intervalMs, this.#services.facts);
  }

  async destroyTask(taskId: string, force: boolean): Promise<void> {
    const task = this.#tasks.get(taskId);
    if (task === undefined) return;
    if (!hasEnded(task.snapshot)) {
      if (!force) throw stillRunning(task);
      await task.reached(hasStarted);
      await task.record("destroyRequested", { force });
      await task.reached(hasEnded, { withinMs: killGraceMs });
    }
    await task.record("destroyed", {});
    this.#tasks.delete(taskId);
  }

  async shutdown(): Promise<void> {
    // Tasks go on without the plugin: only what this process holds is let go.
    await this.#present?.unsaved.close();
    await this.#present?.store.close();
    await this.#present?.folder.close();
  }

  get #services(): DriverServices {
    if (this.#present) return this.#present;
    throw new DriverError("PLUGIN_FAILED", "the plugin has not been configured yet", {
      hint: "The agent calls SetConfig with its own configuration first",
      recoverable: true,
    });
  }

  #find(taskId: string): Task {
    const task = this.#tasks.get(taskId);
    if (task) return task;
    throw notFound();
  }

  #adopt(taskId: string, history?: TaskHistory): Task {
    const { store, unsaved } = this.#services;
    const task = new Task(
      taskId,
      {
        store,
        now: Date.now,
        runEffect: (name, of) => runEffect(name, of, this.#services),
        onCommitted: (committed) => this.#announce(committed),
        onStoreFailure: (of, error) => unsaved.hold(of, error),
      },
      history,
    );
    this.#tasks.set(taskId, task);
    return task;
  }

  #announce({ task, event, snapshot }: CommittedStep): void {
    const { request } = snapshot.context;
    if (request === null) return;
    const { allocId, taskName } = request;
    for (const message of messagesOfEvent(event, snapshot.context)) {
      this.#messages.next({ taskId: task.id, allocId, taskName, timeMs: event.time, ...message });
    }
  }
}
