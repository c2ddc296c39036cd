/** Counts what happens to tasks while this process runs. Pure. */
import { errorCodes } from "../../base/errors.ts";
import { type PressureResource, pressureResources } from "../../effects/cgroup/pressure.ts";
import { blockerNames } from "../../effects/landlock/denial.ts";
import { type CauseKind, causeKinds } from "../../machines/events/cause.ts";
import type { DenialHistory } from "../../machines/events/denied.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { resultOf } from "../../machines/taskOutline.ts";
import { type TaskResult, taskResults } from "../../machines/taskResults.ts";
import { counter, type Family, Histogram } from "./exposition.ts";

/** The change that an event made to a task. */
export interface Change {
  /** The task's id. */
  readonly id: string;
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

const other = "other";
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
  /** Denials by blocker: a right of Landlock, `seccomp.` with the name of a system call, `egress.` with a protocol, or `other`. */
  readonly #denials = zeros<string>([...blockerNames, other]);
  #oomKills = 0;
  readonly #stalls = zeros<PressureResource>(pressureResources);
  #recoveries = 0;
  /** Request times of the starts in progress, by task id. */
  readonly #requests = new Map<string, number>();

  /** @param since time of the first event to count, in milliseconds since the epoch */
  constructor(since: number) {
    this.#since = since;
  }

  /** Notes an event. To be called for every event of every task, in order. */
  note({ id, time, before, after }: Change): void {
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
    if (after.exit !== before.exit && after.exit?.cause != null) add(this.#failures, after.exit.cause.kind);
    if (after.failure !== null && before.failure === null) add(this.#failedStarts, after.failure.code);
    this.#oomKills += Math.max(0, oomKillsOf(after) - oomKillsOf(before));
    this.#countStalls(before.stalls, after.stalls);
    this.#countDenials(before.denials, after.denials);
    this.#recoveries += after.recoveries - before.recoveries;
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

  #countStalls(before: TaskContext["stalls"], after: TaskContext["stalls"]): void {
    if (after === before) return;
    for (const { resource, count } of after) {
      const known = before.find((each) => each.resource === resource)?.count ?? 0;
      add(this.#stalls, resource, Math.max(0, count - known));
    }
  }

  #countDenials(before: DenialHistory, after: DenialHistory): void {
    if (after === before) return;
    const known = denialsOf(before);
    for (const [blocker, count] of denialsOf(after)) {
      const exceedsLimit = !this.#denials.has(blocker) && this.#denials.size >= maxBlockers;
      add(this.#denials, exceedsLimit ? other : blocker, Math.max(0, count - (known.get(blocker) ?? 0)));
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
      counter(
        "exec2_oom_kills_total",
        "Processes of tasks that the kernel killed for lack of memory.",
        this.#oomKills,
      ),
      counter(
        "exec2_task_stalls_total",
        "Recorded stalls of tasks: waiting for a resource longer than their option pressure allows.",
        Array.from(this.#stalls, ([resource, value]) => ({ labels: { resource }, value })),
      ),
      counter(
        "exec2_denials_total",
        "Recorded denials of the sandbox, by the part that refused.",
        Array.from(this.#denials, ([blocker, value]) => ({ labels: { blocker }, value })),
      ),
      counter(
        "exec2_task_recoveries_total",
        "Recoveries of running tasks by another plugin process.",
        this.#recoveries,
      ),
    ];
  }
}

function oomKillsOf({ exit, oom }: TaskContext): number {
  return exit?.oom?.kills ?? oom?.kills ?? 0;
}

/**
 * A blocker is one of Landlock's thirty or so rights, or a system call that a filter refuses. This limit
 * keeps the number of series small, whatever names a log contains.
 */
const maxBlockers = 96;

function denialsOf({ refusals, others, lost }: DenialHistory): Map<string, number> {
  const counts = new Map([[other, others + lost]]);
  for (const { blockers, count } of refusals) add(counts, blockers[0] ?? other, count);
  return counts;
}

function add<K>(counts: Map<K, number>, key: K, count = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}
