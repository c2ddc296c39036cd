/**
 * A task at run time: its place in the machine, its journal, and what it holds
 * while it lives. A fact is recorded, the machine names effects, those are run
 * once the fact is committed, and what they did is recorded in turn.
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
import { DriverError } from "../../errors.ts";
import { isPreparation } from "../../machines/effects.ts";
import { type EventData, type EventType, type TaskEvent, taskEvent } from "../../machines/events.ts";
import { initialSnapshot, type Step, stateName, step, type TaskSnapshot } from "../../machines/fold.ts";
import { isUnderway, type StateName } from "../../machines/taskMachine.ts";
import type { EventStore, EventToAppend } from "../../store/eventStore.ts";
import type { Run } from "../run/run.ts";
import type { RunTask } from "../run/runTask.ts";
import { startFailedEvent } from "../start/startFailedEvent.ts";
import { Journal } from "./journal.ts";
import { toStored } from "./storedEvents.ts";

/** A committed event, with what the machine made of it. */
export interface CommittedStep extends Step {
  readonly task: Task;
  readonly event: TaskEvent;
}

/** What a task needs of its surroundings. */
export interface TaskDependencies {
  readonly store: EventStore;
  /** Wall clock, milliseconds since the epoch. */
  readonly now: () => number;
  /** Makes what carries out the task's effects. */
  readonly createRun: (task: RunTask) => Run;
  /** Told of every event, once it is committed. */
  readonly onCommitted: (committed: CommittedStep) => void;
  /** Told where an event could not be stored that belongs to the history all the same. */
  readonly onStoreFailure: (task: Task, error: DriverError) => void;
}

/** What is known of a task before this process had to do with it. */
export interface TaskHistory {
  readonly snapshot: TaskSnapshot;
  /** Number of the stream's last event. */
  readonly version: number;
  /** Events that led to the snapshot and are not stored yet, oldest first. */
  readonly unstored?: readonly EventToAppend[];
}

const noHistory: TaskHistory = { snapshot: initialSnapshot, version: 0 };

export interface WaitLimits {
  readonly signal?: AbortSignal;
  /** Milliseconds. */
  readonly withinMs?: number;
}

export class Task implements RunTask {
  readonly id: string;
  /** What this process has of the task beside its history. */
  readonly run: Run;
  readonly #surroundings: TaskDependencies;
  readonly #journal: Journal;
  readonly #commits = new Subject<TaskSnapshot>();
  #recorded: TaskSnapshot;
  #committed: TaskSnapshot;

  constructor(id: string, surroundings: TaskDependencies, history: TaskHistory = noHistory) {
    this.id = id;
    this.#surroundings = surroundings;
    this.#journal = new Journal(surroundings.store, id, history.version, history.unstored);
    this.#recorded = history.snapshot;
    this.#committed = history.snapshot;
    this.run = surroundings.createRun(this);
  }

  /** The state that others may see: every event that led to it is committed. */
  get snapshot(): TaskSnapshot {
    return this.#committed;
  }

  get state(): StateName {
    return stateName(this.#committed);
  }

  /**
   * Records a fact and, once it is committed, runs the effects that the machine
   * names for it. Preparations, which nobody outside can see, start at once.
   * @returns false where the machine has no use for the fact in its present state
   * @throws DriverError `STORE_FAILED` while the task has not started yet. One
   * that has goes on although its history cannot be written.
   */
  async record<T extends EventType>(type: T, data: EventData<T>): Promise<boolean> {
    const event = taskEvent(type, this.#surroundings.now(), data);
    const taken = step(this.#recorded, event);
    if (!taken.accepted) return false;
    this.#recorded = taken.snapshot;
    const { effects } = taken;
    const patient = effects.length > 0 && effects.every(isPreparation);
    const stored = this.#journal.append(toStored(event, taken), patient);
    for (const effect of effects.filter(isPreparation)) void this.run.carryOut(effect);
    await stored.catch((thrown: unknown) => this.#survive(event, taken.from, thrown));
    this.#publish(event, taken);
    return true;
  }

  /** Resolves once everything recorded so far is stored; rejects where the log refuses it. */
  stored(): Promise<void> {
    return this.#journal.settled();
  }

  /**
   * Resolves with the first committed state that satisfies the condition, at once if it holds now.
   * @throws DriverError `TASK_STILL_RUNNING` where that takes longer than `withinMs`
   * @throws the reason of `signal` once it is aborted, and the error the task was given up with
   */
  async reached(
    condition: (snapshot: TaskSnapshot) => boolean,
    limits: WaitLimits = {},
  ): Promise<TaskSnapshot> {
    if (condition(this.#committed)) return this.#committed;
    const aborted = limits.signal ? abortion(limits.signal) : EMPTY;
    const tooLate = limits.withinMs === undefined ? EMPTY : this.#overdue(limits.withinMs);
    return firstValueFrom(merge(this.when(condition), aborted, tooLate));
  }

  /** Tells the first committed state that satisfies the condition, at once if it holds now. */
  when(condition: (snapshot: TaskSnapshot) => boolean): Observable<TaskSnapshot> {
    return defer(() => this.#commits.pipe(startWith(this.#committed), filter(condition), take(1)));
  }

  /** Gives the task up: everyone who waits for a state of it is told why. */
  abandon(error: DriverError): void {
    this.#commits.error(error);
  }

  #overdue(withinMs: number): Observable<never> {
    return timer(withinMs).pipe(
      map(() => {
        throw new DriverError(
          "TASK_STILL_RUNNING",
          `task ${this.id} is still ${this.state} after ${withinMs} ms`,
          {
            hint: "A process of it may be in an uninterruptible system call: see /proc/<pid>/stack",
          },
        );
      }),
    );
  }

  #publish(event: TaskEvent, taken: Step): void {
    this.#committed = taken.snapshot;
    this.#commits.next(taken.snapshot);
    this.#surroundings.onCommitted({ ...taken, task: this, event });
    for (const effect of taken.effects) {
      if (!isPreparation(effect)) void this.run.carryOut(effect);
    }
  }

  #survive(event: TaskEvent, from: StateName, thrown: unknown): void {
    const error = DriverError.from(thrown, "STORE_FAILED", `event ${event.type} could not be stored`);
    // One that has started goes on: by the event before, the next plugin finds it.
    if (isUnderway(from) && event.type !== "started") {
      this.#failStart(event, error);
      throw error;
    }
    this.#surroundings.onStoreFailure(this, error);
  }

  /**
   * What is not stored of a start has not happened, but for its failure. Of a
   * start of which nothing is stored no trace is left: its agent is told why.
   */
  #failStart(event: TaskEvent, error: DriverError): void {
    const time = this.#surroundings.now();
    const failure: TaskEvent =
      event.type === "startFailed" ? event : { type: "startFailed", time, data: startFailedEvent(error) };
    const taken = step(this.#committed, failure);
    this.#recorded = taken.snapshot;
    const { begun } = this.#journal;
    this.#journal.replaceUnsaved(begun ? [toStored(failure, taken)] : []);
    if (begun) this.#surroundings.onStoreFailure(this, error);
  }
}

function abortion(signal: AbortSignal): Observable<never> {
  return new Observable((subscriber) => {
    const abort = () => subscriber.error(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
    return () => signal.removeEventListener("abort", abort);
  });
}
