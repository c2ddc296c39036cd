/** Watches what the kernel denies to processes of runs, and assigns each denial to its run. */
import { readlinkSync } from "node:fs";
import type { Observable } from "rxjs";
import type { Logger } from "../../base/hclog.ts";
import type { TaskId } from "../../base/taskId.ts";
import type { DenialTracker, OwnedDenial } from "../../effects/denials/denialTracker.ts";
import { DenialWatch } from "../../effects/denials/denialWatch.ts";
import type { DenialMode } from "../../effects/denials/options.ts";
import { cgroupOf } from "../../effects/kernel/kernelFiles.ts";
import {
  isSameProcess,
  type ProcessIdentity,
  readStat,
  startedAt,
} from "../../effects/processes/processIdentity.ts";
import { isDynamicUser } from "../../effects/users/users.ts";

/** A run as the receiver of its denials. */
export interface DeniedRun {
  denied(denial: OwnedDenial): void;
  /** The kernel counted this many denials whose records were lost. */
  lost(count: number): void;
}

/** What identifies the processes of a run. */
interface RunTraits {
  /** The run's init: PID 1 of the run's pid namespace, if it has one. */
  readonly init: ProcessIdentity;
  readonly uid: number;
  readonly user: string;
  /** The run's own cgroup, if the run is in the host's pid namespace. */
  readonly runCgroup: string | null;
  /** A time before the run's beginning, in milliseconds since the epoch. */
  readonly sinceMs: number;
}

interface WatchedRun extends RunTraits {
  /** The pid namespace of the run's init, once it has been looked up. */
  namespace?: string | undefined;
  /** Time of the run's end in milliseconds since the epoch, once it is known. */
  endedMs?: number;
}

/** Minimum time between two warnings: during a flood of denials, the kernel loses records all the time. */
const warnEveryMs = 60_000;

/** Tolerance in milliseconds: times of processes are in ticks, and the clock of audit records is coarse. */
const clockSlackMs = 40;

export class NodeDenials implements AsyncDisposable {
  readonly #log: Logger;
  readonly #runs = new Map<DeniedRun, WatchedRun>();
  /** The end of each user's last run that was removed, in milliseconds since the epoch. */
  readonly #removedEnds = new Map<number, number>();
  readonly #watch: DenialWatch<DeniedRun>;
  #warnedAt = Number.NEGATIVE_INFINITY;
  /** Number of lost records that no line of the log has told yet. */
  #untold = 0;

  constructor(log: Logger) {
    this.#log = log;
    const sink = {
      denied: (run: DeniedRun, denial: OwnedDenial) => run.denied(denial),
      lost: (run: DeniedRun, count: number) => run.lost(count),
      locate: (pid: number, uid: number, timeMs: number) => this.#locate(pid, uid, timeMs),
    };
    this.#watch = new DenialWatch(sink, {
      dropped: (records) => this.#warn(records),
      queueStaysShort: (reason) =>
        log.warn("the limit of audit's queue cannot be raised: records of denials may be lost", { reason }),
    });
  }

  get tracker(): DenialTracker<DeniedRun> {
    return this.#watch.tracker;
  }

  /**
   * Why denials are not recorded now, as a sentence without its full stop; undefined if they are recorded.
   */
  get problem(): string | undefined {
    return this.#watch.problem;
  }

  /** Emits {@link problem} at once, and after every change. Does not complete. */
  get problems(): Observable<string | undefined> {
    return this.#watch.problems;
  }

  /** Never rejects. */
  async configure(mode: DenialMode, landlockAbi: number): Promise<void> {
    await this.#watch.configure(mode, landlockAbi);
    if (mode === "on" && this.problem !== undefined) {
      this.#log.warn("denials are not recorded", { reason: this.problem });
    }
  }

  /** Hands out the denials whose records have arrived; others may be under way. */
  handOut(): void {
    this.#watch.handOut();
  }

  /** To be called when the run has ended. Resolves once its denials have been handed out. */
  async settle(run: DeniedRun): Promise<void> {
    await this.#watch.settle(run);
  }

  /** To be called before {@link remove}. Resolves once the run's denials are handed out, and the lost counted. */
  async finish(run: DeniedRun, taskId: TaskId): Promise<void> {
    if (!(await this.#watch.finish(run)))
      this.#log.warn("not all records of denials could be read: counts of the task may be too low", {
        task_id: taskId,
      });
  }

  add(run: DeniedRun, traits: RunTraits): void {
    this.#runs.set(run, traits);
  }

  /** Later denials are not those of the run, also if its user is. @param atMs milliseconds since the epoch */
  ended(run: DeniedRun, atMs: number): void {
    const watched = this.#runs.get(run);
    if (watched !== undefined) watched.endedMs = atMs;
    this.tracker.endProcesses(run, atMs);
  }

  remove(run: DeniedRun): void {
    const { uid, endedMs } = this.#runs.get(run) ?? {};
    if (uid !== undefined && endedMs !== undefined) this.#removedEnds.set(uid, endedMs);
    this.#runs.delete(run);
    this.tracker.remove(run);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch[Symbol.asyncDispose]();
  }

  /**
   * Finds the run of a process. A living process belongs to the run with the same pid namespace or cgroup. A
   * dead process belongs to the run with the same dynamic user, if exactly one run had this user at that time.
   */
  #locate(pid: number, uid: number, timeMs: number): DeniedRun | undefined {
    const running = [...this.#runs].filter(
      ([, { sinceMs, endedMs = Number.POSITIVE_INFINITY }]) =>
        sinceMs <= timeMs && timeMs <= endedMs + clockSlackMs,
    );
    const namespace = namespaceOf(pid);
    if (namespace !== undefined) {
      const cgroup = cgroupOf(pid);
      const [found, traits] = running.find(([, run]) => this.#holds(run, namespace, cgroup)) ?? [];
      return traits !== undefined && hadPid(pid, timeMs, traits.uid === uid) ? found : undefined;
    }
    if (timeMs <= (this.#removedEnds.get(uid) ?? Number.NEGATIVE_INFINITY)) return undefined;
    const [one, other] = running.filter(
      ([, { endedMs = Number.POSITIVE_INFINITY, ...run }]) =>
        run.uid === uid && isDynamicUser(run.user) && timeMs <= endedMs,
    );
    return other === undefined ? one?.[0] : undefined;
  }

  #holds(run: WatchedRun, namespace: string, cgroup: string | undefined): boolean {
    if (run.runCgroup !== null) {
      // `runCgroup` is a path in the file system, but /proc shows a path within the cgroup hierarchy. The
      // last name in both paths is unique, so only the last names are compared.
      return cgroup !== undefined && `${run.runCgroup}/`.endsWith(`${cgroup.split("/").at(-1)}/`);
    }
    run.namespace ??= namespaceOfInit(run.init);
    return run.namespace === namespace;
  }

  #warn(records: number): void {
    this.#untold += records;
    const now = performance.now();
    if (now - this.#warnedAt < warnEveryMs) return;
    this.#warnedAt = now;
    this.#log.warn("the kernel could not keep all records of denials: counts of tasks may be too low", {
      lost: this.#untold,
    });
    this.#untold = 0;
  }
}

/**
 * Whether the process that now has a pid had it at a time already. Another process may have got it before the record
 * was read.
 * @param isLikely whether a process that began about then counts, too: start times are coarse
 */
function hadPid(pid: number, timeMs: number, isLikely: boolean): boolean {
  try {
    const stat = readStat(pid);
    return stat !== undefined && startedAt(stat) < timeMs + (isLikely ? clockSlackMs : -clockSlackMs);
  } catch {
    return false;
  }
}

/** The pid namespace of a run's init; undefined if it has ended, when another process may have its pid. */
function namespaceOfInit(init: ProcessIdentity): string | undefined {
  const namespace = namespaceOf(init.pid);
  try {
    return isSameProcess(init) ? namespace : undefined;
  } catch {
    return undefined;
  }
}

/** The pid namespace of a process; undefined if it has ended. */
function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}
