/**
 * A task at run time: its state in the machine, its event queue and its run. For each recorded event, the machine
 * requests actions. Once the event is committed, they are executed, and record their results in turn.
 */

import {
  defer,
  EMPTY,
  filter,
  firstValueFrom,
  map,
  merge,
  Observable,
  Subject,
  startWith,
  take,
  timer,
} from "rxjs";
import { DriverError } from "../../base/errors.ts";
import type { TaskId } from "../../base/taskId.ts";
import { type EventData, type EventType, type TaskEvent, taskEvent } from "../../machines/events.ts";
import {
  hasEnded,
  initialSnapshot,
  isPreparation,
  isStarting,
  type StateName,
  type Step,
  startIsOver,
  step,
  stepWithActions,
  type TaskSnapshot,
} from "../../machines/taskMachine.ts";
import type { EventStore } from "../../store/eventStore.ts";
import { EventQueue } from "../history/eventQueue.ts";
import { maskedEvent } from "../history/maskedEvent.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { startFailedEvent } from "../history/startEvents.ts";
import { type TaskHistory, toStored, withoutPlan } from "../history/taskHistory.ts";
import type { Run } from "../run/run.ts";

/** A committed event, with the step that it caused. */
export interface CommittedStep extends Step {
  readonly before: TaskSnapshot;
  readonly task: Task;
  readonly event: TaskEvent;
}

export interface TaskDependencies {
  readonly store: EventStore;
  /** Wall clock, milliseconds since the epoch. */
  readonly now: () => number;
  /** Creates the run that carries out the task's effects. */
  readonly createRun: (task: RecordedTask) => Run;
  /** Called for every event once it is committed. */
  readonly onCommitted: (committed: CommittedStep) => void;
  /** Called if an event could not be stored. The queue keeps the event for the next attempt. */
  readonly onStoreFailure: (task: Task, error: DriverError) => void;
}

/** Milliseconds that the kernel gets to end a killed task before the agent gets an error. */
const killGraceMs = 30_000;

/** The maximum timeout of a stop, 24 days: a Node timer with a longer delay fires at once. */
const maxStopMs = 2 ** 31 - 1 - killGraceMs;

const noHistory: TaskHistory = { snapshot: initialSnapshot, version: 0 };

export interface WaitLimits {
  readonly signal?: AbortSignal;
  /** Milliseconds. */
  readonly withinMs?: number;
}

export class Task implements RecordedTask {
  readonly id: TaskId;
  /** What this process keeps for the task besides its history. */
  readonly run: Run;
  readonly #dependencies: TaskDependencies;
  readonly #queue: EventQueue;
  readonly #commits = new Subject<TaskSnapshot>();
  #recorded: TaskSnapshot;
  #committed: TaskSnapshot;

  constructor(id: TaskId, dependencies: TaskDependencies, history: TaskHistory = noHistory) {
    this.id = id;
    this.#dependencies = dependencies;
    this.#queue = new EventQueue(dependencies.store, id, history.version, history.unstored);
    this.#recorded = history.snapshot;
    this.#committed = history.snapshot;
    this.run = dependencies.createRun(this);
  }

  /** The public state: all events that led to it are committed. */
  get snapshot(): TaskSnapshot {
    return this.#committed;
  }

  get state(): StateName {
    return this.#committed.value;
  }

  /**
   * Records an event and, once it is committed, executes the actions that the machine requests. Actions that
   * only prepare something start at once, because they can be taken back, and nothing of the task
   * runs in them.
   * @returns false if the machine does not accept the event in its current state
   * @throws DriverError `STORE_FAILED` while the task has not started yet. A started task keeps running even
   * if its history cannot be written.
   */
  async record<T extends EventType>(type: T, data: EventData<T>): Promise<boolean> {
    const masked = maskedEvent(type, data, this.run.secrets);
    const event = taskEvent(type, this.#dependencies.now(), masked);
    const [stepped, actions] = stepWithActions(this.run.machine, this.#recorded, event);
    if (!stepped.accepted) return false;
    const result = { ...stepped, snapshot: withoutPlan(stepped.snapshot) };
    this.#recorded = result.snapshot;
    const { effects } = result;
    const mayWait = effects.length > 0 && effects.every(isPreparation);
    const stored = this.#queue.append(toStored(event, result), mayWait);
    for (const action of actions) if (isPreparation(action.type)) void this.run.execute(action);
    await stored.catch((thrown: unknown) => this.#handleStoreFailure(event, result.from, thrown));
    this.#publish(event, result);
    for (const action of actions) if (!isPreparation(action.type)) void this.run.execute(action);
    return true;
  }

  /** Resolves once all events recorded so far are stored; rejects if the log refuses them. */
  stored(): Promise<void> {
    return this.#queue.settled();
  }

  /**
   * Resolves with the first committed state that satisfies the condition, at once if it holds now.
   * @throws DriverError `TASK_STILL_RUNNING` if no such state is reached within `withinMs`
   * @throws the reason of `signal` once it is aborted, or the error of {@link abandon}
   */
  async reached(
    condition: (snapshot: TaskSnapshot) => boolean,
    limits: WaitLimits = {},
  ): Promise<TaskSnapshot> {
    if (condition(this.#committed)) return this.#committed;
    const aborted = limits.signal ? errorOnAbort(limits.signal) : EMPTY;
    const tooLate = limits.withinMs === undefined ? EMPTY : this.#timeout(limits.withinMs);
    return firstValueFrom(merge(this.when(condition), aborted, tooLate));
  }

  /** Emits the first committed state that satisfies the condition, at once if it holds now. */
  when(condition: (snapshot: TaskSnapshot) => boolean): Observable<TaskSnapshot> {
    return defer(() => this.#commits.pipe(startWith(this.#committed), filter(condition), take(1)));
  }

  /**
   * Stops the task: sends the signal, and kills the task after the timeout. Resolves once the task has ended.
   * @param reason why the caller stops it; undefined if it does not say
   * @throws DriverError `TASK_STILL_RUNNING` if the kernel does not end the killed task in time
   */
  async stop(signal: number, requestedMs: number, reason?: string): Promise<void> {
    const timeoutMs = Math.min(requestedMs, maxStopMs);
    await this.reached(startIsOver);
    await this.record("stopRequested", { signal, timeoutMs, ...(reason !== undefined && { reason }) });
    await this.reached(hasEnded, { withinMs: timeoutMs + killGraceMs });
  }

  /** Kills the task. Resolves and throws as {@link stop} does. */
  async end(): Promise<void> {
    await this.reached(startIsOver);
    await this.record("destroyRequested", { force: true });
    await this.reached(hasEnded, { withinMs: killGraceMs });
  }

  /** Gives up the task: all who wait for one of its states get this error. */
  abandon(error: DriverError): void {
    this.#commits.error(error);
  }

  #timeout(withinMs: number): Observable<never> {
    return timer(withinMs).pipe(
      map(() => {
        throw new DriverError(
          "TASK_STILL_RUNNING",
          `task ${this.id} is still ${this.state} after ${withinMs} ms`,
          {
            hint: "A process of the task may be in an uninterruptible system call: see /proc/<pid>/stack",
          },
        );
      }),
    );
  }

  #publish(event: TaskEvent, result: Step): void {
    const before = this.#committed;
    this.#committed = result.snapshot;
    this.#commits.next(result.snapshot);
    this.#dependencies.onCommitted({ ...result, before, task: this, event });
  }

  #handleStoreFailure(event: TaskEvent, from: StateName, thrown: unknown): void {
    const error = DriverError.from(thrown, "STORE_FAILED", `event ${event.type} could not be stored`);
    // A started task keeps running. If the event `started` itself is not stored, the next plugin finds the
    // task by the event `sandboxed`.
    if (isStarting(from) && event.type !== "started") {
      this.#failStart(event, error);
      throw error;
    }
    this.#dependencies.onStoreFailure(this, error);
  }

  /**
   * Drops the unstored events of a start and records its failure in their place. A start without any stored
   * event leaves no trace: only its agent gets the error.
   */
  #failStart(event: TaskEvent, error: DriverError): void {
    const time = this.#dependencies.now();
    const failure: TaskEvent =
      event.type === "startFailed" ? event : { type: "startFailed", time, data: startFailedEvent(error) };
    const result = step(this.#committed, failure);
    this.#recorded = result.snapshot;
    const { hasEvents } = this.#queue;
    // A start that an earlier process has left has failed already, if that is not stored yet.
    this.#queue.replaceUnsaved(hasEvents && result.accepted ? [toStored(failure, result)] : []);
    if (hasEvents) this.#dependencies.onStoreFailure(this, error);
  }
}

function errorOnAbort(signal: AbortSignal): Observable<never> {
  return new Observable((subscriber) => {
    const abort = () => subscriber.error(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
    return () => signal.removeEventListener("abort", abort);
  });
}
