/** Resource usage of a running task, sampled only while there are readers. */
import {
  defer,
  EMPTY,
  exhaustMap,
  finalize,
  type Observable,
  ReplaySubject,
  share,
  takeUntil,
  timer,
} from "rxjs";
import type { HostFacts } from "../../effects/host/hostFacts.ts";
import { pageSize } from "../../effects/kernel/pageSize.ts";
import { type RunPlace, type RunReading, readRun } from "../../effects/stats/readings.ts";
import { usageOf } from "../../effects/stats/usage.ts";
import { hasEnded } from "../../machines/taskMachine.ts";
import type { TaskUsage } from "../driverPort.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { delegatedCgroups } from "../history/startEvents.ts";
import { notRunning } from "../taskErrors.ts";
import { Semaphore } from "./semaphore.ts";

/**
 * Limits the concurrent readings of all tasks. More at once would not be faster, and all their results would
 * be handled in a single turn of the event loop. For a thousand tasks, this turn would take a tenth of a
 * second.
 */
const readings = new Semaphore(8, 500);

/** Milliseconds between samples if the agent sets no interval. */
const defaultIntervalMs = 1_000;

/** A shorter interval would cost CPU time that no agent needs to spend. */
const minIntervalMs = 100;

/** Maximum interval: a Node timer with a longer delay fires at once. */
const maxIntervalMs = 2 ** 31 - 1;

export class RunStats {
  readonly #task: RecordedTask;
  /** The shared samplings, by interval in milliseconds. */
  readonly #samplings = new Map<number, Observable<TaskUsage>>();

  constructor(task: RecordedTask) {
    this.#task = task;
  }

  /**
   * Samples at once and then every `intervalMs`. Completes when the task ends, or at once if the task is
   * over. Readers with the same interval share the samples; a later reader gets the newest sample first. If a
   * reading takes longer than the interval, samples are skipped.
   * @throws DriverError `TASK_NOT_RUNNING` for a task that has not started
   */
  every(intervalMs: number, facts: HostFacts): Observable<TaskUsage> {
    const task = this.#task;
    if (hasEnded(task.snapshot)) return EMPTY;
    const { request, process, sandbox } = task.snapshot.context;
    if (request === null || process === null) throw notRunning(task, "it uses nothing yet");
    const wanted = intervalMs > 0 ? Math.max(minIntervalMs, intervalMs) : defaultIntervalMs;
    const interval = Math.min(wanted, maxIntervalMs);
    const shared = this.#samplings.get(interval);
    if (shared !== undefined) return shared;
    const place = {
      cgroup: request.resources.cgroup,
      init: process.init,
      runCgroup: sandbox?.runCgroup ?? null,
      delegated: delegatedCgroups(task.snapshot.context),
    };
    const samples = sample(place, interval, facts).pipe(
      takeUntil(task.when(hasEnded)),
      finalize(() => this.#samplings.delete(interval)),
      share({ connector: () => new ReplaySubject(1) }),
    );
    this.#samplings.set(interval, samples);
    return samples;
  }
}

function sample(place: RunPlace, interval: number, { mhzPerCore }: HostFacts): Observable<TaskUsage> {
  const units = { mhzPerCore, pageSize: pageSize() };
  return defer(() => {
    let last: RunReading | undefined;
    return timer(0, interval).pipe(
      exhaustMap(async () => {
        const before = last;
        last = await readings.run(() => readRun(place, before));
        return { timeMs: Date.now(), ...usageOf(before, last, units) };
      }),
    );
  });
}
