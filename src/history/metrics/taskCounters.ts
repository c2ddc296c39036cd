/** Counts what happens to tasks while this process runs. Pure. */
import { errorCodes } from "../../base/errors.ts";
import { type CauseKind, causeKinds, witnessedKind } from "../../machines/events/cause.ts";
import type { EventCounter } from "../../machines/events/defineEvent.ts";
import { type EventType, eventCatalogue, isEventType } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { resultOf } from "../../machines/taskOutline.ts";
import { type TaskResult, taskResults } from "../../machines/taskResults.ts";
import { counter, type Family, Histogram } from "./exposition.ts";

/** The change that an event made to a task. */
export interface Change {
  /** The task's id. */
  readonly id: string;
  /** Of the event; versions of the driver know different types. */
  readonly type: string;
  /** Time of the event, in milliseconds since the epoch. */
  readonly time: number;
  readonly before: TaskContext;
  readonly after: TaskContext;
}

/**
 * Bounds in seconds. A start takes some milliseconds, but much longer if it waits for a network or for its
 * turn.
 */
const startBuckets = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];

/** Ends in jobs beyond this number have an empty job, because each job has nine series. */
const maxJobs = 500;

/** Series of one label begin with zero: Prometheus misses the first increase of a series that begins with one. */
const zeros = <Key>(keys: readonly Key[]) => new Map(keys.map((key): [Key, number] => [key, 0]));

export class TaskCounters {
  readonly #since: number;
  readonly #starts = new Histogram(startBuckets);
  /** Ends by the job's id, empty for further jobs. */
  readonly #ends = new Map([["", zeros(taskResults)]]);
  readonly #failures = zeros<CauseKind>(causeKinds);
  /** Failed starts by error code. */
  readonly #failedStarts = zeros<string>(errorCodes);
  /** By the name of a metric: what the descriptors of events count, by the label's value. */
  readonly #counted = new Map(
    counters.map(({ name, label: [, values] = ["", [""]] }) => [name, zeros<string>(values)]),
  );
  /** Request times of the starts in progress, by task id. */
  readonly #requests = new Map<string, number>();

  /** @param since time of the first event to count, in milliseconds since the epoch */
  constructor(since: number) {
    this.#since = since;
  }

  /** Notes an event. To be called for every event of every task, in order. */
  note({ id, type, time, before, after }: Change): void {
    const isCounted = time >= this.#since;
    if (after.request !== before.request) this.#requests.set(id, time);
    const ends = this.#endsOf(after.request?.jobId ?? "");
    const hasStarted = after.process !== before.process && after.adopted === null;
    if (hasStarted || after.failure !== null) {
      const requested = this.#requests.get(id);
      this.#requests.delete(id);
      if (isCounted && hasStarted && requested !== undefined) {
        this.#starts.observe(Math.max(0, time - requested) / 1000);
      }
    }
    if (!isCounted) return;
    const result = resultOf(after);
    if (result !== null && resultOf(before) === null) add(ends, result);
    if (after.exit !== before.exit && after.exit?.cause != null)
      add(this.#failures, witnessedKind(after.exit.cause));
    if (after.failure !== null && before.failure === null) add(this.#failedStarts, after.failure.code);
    const counted = isEventType(type) ? descriptors[type].counts : undefined;
    if (counted !== undefined) this.#count(counted, before, after);
  }

  /** A job's ends exist with zero from its first event on. */
  #endsOf(job: string): Map<TaskResult, number> {
    const known = this.#ends.get(job);
    if (known !== undefined) return known;
    const ends = this.#ends.size > maxJobs ? this.#ends.get("") : undefined;
    if (ends !== undefined) return ends;
    const made = zeros(taskResults);
    this.#ends.set(job, made);
    return made;
  }

  #count({ name, totals }: EventCounter<TaskContext>, before: TaskContext, after: TaskContext): void {
    const series = this.#counted.get(name);
    if (series === undefined) return;
    const known = new Map(totals(before));
    for (const [value, total] of totals(after)) {
      const exceedsLimit = !series.has(value) && series.size >= maxSeries;
      add(series, exceedsLimit ? other : value, Math.max(0, total - (known.get(value) ?? 0)));
    }
  }

  families(): Family[] {
    return [
      this.#starts.family("exec2_task_start_seconds", "Time from a task's request to its running program."),
      counter(
        "exec2_task_ends_total",
        "Tasks that have ended or failed to start, by job and result.",
        Array.from(this.#ends, ([job, ends]) =>
          Array.from(ends, ([result, value]) => ({ labels: { nomad_job: job, result }, value })),
        ).flat(),
      ),
      counter(
        "exec2_task_failures_total",
        "Tasks that have failed, by the cause.",
        Array.from(this.#failures, ([cause, value]) => ({ labels: { cause }, value })),
      ),
      counter("exec2_task_start_failures_total", "Tasks that never started, by the code of the error.", [
        ...Array.from(this.#failedStarts, ([code, value]) => ({ labels: { code }, value })),
      ]),
      ...counters.map(({ name, help, label: [label] = [""] }) =>
        counter(
          name,
          help,
          Array.from(this.#counted.get(name) ?? [], ([value, count]) => ({
            ...(label !== "" && { labels: { [label]: value } }),
            value: count,
          })),
        ),
      ),
    ];
  }
}

const descriptors: Readonly<Record<EventType, { readonly counts?: EventCounter<TaskContext> }>> =
  eventCatalogue;

/** Several types may count in one metric. */
const counters = [
  ...new Set(Object.values(descriptors).flatMap(({ counts }) => (counts === undefined ? [] : counts))),
];

/** Keeps the number of a metric's series small, whatever names a log contains. */
const maxSeries = 96;
const other = "other";

function add<K>(counts: Map<K, number>, key: K, count = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}
