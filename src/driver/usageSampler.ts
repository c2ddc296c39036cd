/**
 * Samples the usage of running tasks. Each task is sampled often at first, then less and less often. One
 * timer serves all tasks, and takes at most ten samples a second.
 */

import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/hclog.ts";
import type { TaskId } from "../base/taskId.ts";
import type { DiskUsage } from "../effects/disk/diskLimits.ts";
import type { CgroupReading } from "../effects/stats/readings.ts";
import type { UsageSample } from "../store/usage/usageSample.ts";

export interface SamplerDependencies {
  /** Reads a cgroup; undefined once the cgroup was removed. */
  readonly read: (cgroup: string) => Promise<CgroupReading | undefined>;
  /** Stores a sample. */
  readonly keep: (taskId: TaskId, sample: UsageSample) => void;
  /** Wall clock, milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Logger;
}

/** Minimum time between two samples of a task, and between two turns of the timer. */
const turnMs = 1_000;
/**
 * Maximum number of samples in a turn, about 0.2 ms each. Further tasks that are due wait for the next turn.
 */
const samplesPerTurn = 10;
/** A task is sampled again once its age has grown by this share. */
const growth = 1 / 32;

/** A task to sample. */
export interface SampledTask {
  readonly cgroup: string;
  /** Start of the task's program, in milliseconds since the epoch. */
  readonly begunAt: number;
  /** Reads what its limited folders use; absent without a limit. */
  readonly readDisk?: () => Promise<DiskUsage | undefined>;
}

interface Watched extends SampledTask {
  /** Time of the next sample. */
  dueAt: number;
  /** Whether this process has stored a sample of the task. */
  kept: boolean;
}

export class UsageSampler implements Disposable {
  readonly #dependencies: SamplerDependencies;
  readonly #tasks = new Map<TaskId, Watched>();
  #maxIntervalMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #working = false;
  #failed = false;

  constructor(dependencies: SamplerDependencies) {
    this.#dependencies = dependencies;
  }

  /** @param maxIntervalMs maximum time between two samples of a task; 0 turns sampling off */
  configure(maxIntervalMs: number): void {
    this.#maxIntervalMs = maxIntervalMs;
    this.#schedule();
  }

  /** Begins to sample a running task. Does nothing if it is sampled already. */
  watch(taskId: TaskId, task: SampledTask): void {
    if (this.#tasks.has(taskId)) return;
    this.#tasks.set(taskId, { ...task, dueAt: this.#dependencies.now() + turnMs, kept: false });
    this.#schedule();
  }

  /**
   * To be called when a task has ended. Takes a last sample, unless the task ended before the first one, so
   * that a short task costs nothing. Never rejects.
   */
  async finish(taskId: TaskId): Promise<void> {
    const watched = this.#tasks.get(taskId);
    this.#tasks.delete(taskId);
    if (watched?.kept && this.#maxIntervalMs > 0) await this.#sample(taskId, watched);
  }

  [Symbol.dispose](): void {
    this.#tasks.clear();
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#working || this.#maxIntervalMs === 0) return;
    let next = Number.POSITIVE_INFINITY;
    for (const { dueAt } of this.#tasks.values()) next = Math.min(next, dueAt);
    if (next >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = next;
    const pauseMs = Math.max(turnMs, next - this.#dependencies.now());
    if (next < Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => void this.#turn(), pauseMs).unref();
  }

  async #turn(): Promise<void> {
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#working = true;
    // Includes tasks that are due soon, so that tasks of about the same age share a wake-up of the process.
    const soon = this.#dependencies.now() + turnMs / 2;
    const due = [...this.#tasks].filter(([, { dueAt }]) => dueAt <= soon);
    due.sort(([, a], [, b]) => a.dueAt - b.dueAt);
    for (const [taskId, watched] of due.slice(0, samplesPerTurn)) {
      if (this.#tasks.get(taskId) === watched && this.#maxIntervalMs > 0) await this.#sample(taskId, watched);
    }
    this.#working = false;
    this.#schedule();
  }

  async #sample(taskId: TaskId, watched: Watched): Promise<void> {
    const { read, keep, now, log } = this.#dependencies;
    const time = now();
    const wanted = Math.max(turnMs, (time - watched.begunAt) * growth);
    watched.dueAt = time + Math.min(wanted, this.#maxIntervalMs);
    try {
      const reading = await read(watched.cgroup);
      if (reading === undefined) return;
      keep(taskId, sampleOf(time, reading, await watched.readDisk?.()));
      watched.kept = true;
    } catch (thrown) {
      // A task keeps running without its samples, for example if the disk is full. One warning is logged.
      if (!this.#failed)
        log.warn("the usage of tasks cannot be sampled", { task_id: taskId, error: messageOf(thrown) });
      this.#failed = true;
    }
  }
}

function sampleOf(
  time: number,
  { cpu, memoryBytes, memoryPeakBytes, pids, io, pressure }: CgroupReading,
  disk: DiskUsage | undefined,
): UsageSample {
  const unknown = Number.NaN;
  return {
    time,
    userUs: cpu.userUs,
    systemUs: cpu.systemUs,
    throttledUs: cpu.throttled?.us ?? unknown,
    memoryBytes: memoryBytes ?? unknown,
    memoryPeakBytes: memoryPeakBytes ?? unknown,
    pids: pids ?? unknown,
    cpuWaitingUs: pressure.cpu?.someUs ?? unknown,
    memoryWaitingUs: pressure.memory?.someUs ?? unknown,
    memoryStalledUs: pressure.memory?.fullUs ?? unknown,
    ioWaitingUs: pressure.io?.someUs ?? unknown,
    ioStalledUs: pressure.io?.fullUs ?? unknown,
    readBytes: io?.readBytes ?? unknown,
    writtenBytes: io?.writtenBytes ?? unknown,
    reads: io?.reads ?? unknown,
    writes: io?.writes ?? unknown,
    ownDiskBytes: disk?.own.bytes ?? unknown,
    sharedDiskBytes: disk?.shared.bytes ?? unknown,
  };
}
