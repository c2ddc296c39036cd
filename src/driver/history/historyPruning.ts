/**
 * Keeps the history within its bounds: removes streams of ended tasks, oldest first,
 * in the background and a few at a time. If the log is too full, those of jobs that use more than an equal share of
 * it go first, so that no job's author can have the history of other jobs removed.
 *
 * Nothing polls. The first pass runs a minute after the plugin's start. Later passes run ten
 * minutes after a task is destroyed or fails to start.
 */

import { setImmediate } from "node:timers/promises";
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/hclog.ts";
import { type TaskId, toTaskId } from "../../base/taskId.ts";
import { isOver } from "../../machines/taskMachine.ts";
import { isDefect, readRecord } from "../../store/eventRecord.ts";
import type { EventStore, StoredEvent, StreamEntry, StreamHead } from "../../store/eventStore.ts";
import type { HistoryBounds } from "../options/historyBounds.ts";
import { HistoryShares, jobOf, noJob } from "./historyShares.ts";

export interface PrunerDependencies {
  readonly store: EventStore;
  readonly log: Logger;
  /** Wall clock, milliseconds since the epoch. */
  readonly now: () => number;
  readonly bounds: () => HistoryBounds;
  /**
   * Whether the history has to be kept: a person has pinned it, or the driver has the task or is about to
   * take it over.
   */
  readonly isHeld: (taskId: TaskId) => boolean;
  /**
   * Tasks whose histories are in an archive. Once such a task is over, its history may be removed before it
   * reaches the usual age.
   */
  readonly archived: () => ReadonlySet<string>;
  /** Removes the other files that are kept for a task. */
  readonly removeFiles: (taskId: TaskId) => void;
}

/** Time for the agent to recover its tasks, and for the node to become ready, before anything is removed. */
const firstPauseMs = 60_000;
const pauseMs = 600_000;
/** Streams to check in one turn of the event loop: about 1 ms of work. */
const streamsPerTurn = 20;
/**
 * A pass ends after it has kept this many streams in a row: all later streams are newer. One kept stream does
 * not end the pass, because some tasks run for long, and clocks jump.
 */
const maxKeptInARow = 1_000;
/** Heads to look at in one turn of the event loop, if their streams were measured before. */
const headsPerTurn = 200;
/** So many bytes take as long to measure as a stream. */
const bytesPerStream = 65_536;
/** Streams that are chosen at a time, so that a long list takes no memory. */
const maxChosen = 1_000;

/** What a stream used when its last event was number `version`. */
interface Measured {
  readonly version: number;
  readonly job: string;
  readonly bytes: number;
}

export class HistoryPruner {
  readonly #dependencies: PrunerDependencies;
  #timer: NodeJS.Timeout | undefined;
  #passing: Promise<void> | undefined;
  #pauseMs = firstPauseMs;
  #closed = false;
  /** By the first positions of streams, while the log is too full: each pass measures only newer streams. */
  readonly #measured = new Map<number, Measured>();
  /** Each job's name once, however many histories it has. */
  readonly #names = new Map<string, string>();

  constructor(dependencies: PrunerDependencies) {
    this.#dependencies = dependencies;
  }

  /** Schedules a pass, unless one is scheduled or running. */
  wake(): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => {
      this.#passing = this.#pass();
    }, this.#pauseMs).unref();
  }

  /** Stops pruning. Resolves once a running pass has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#passing;
  }

  async #pass(): Promise<void> {
    const { log } = this.#dependencies;
    this.#pauseMs = pauseMs;
    try {
      const streams = await this.#prune();
      if (streams > 0) log.debug("removed histories of tasks that are over", { tasks: streams });
    } catch (thrown) {
      log.warn("histories of tasks that are over cannot be removed", { error: messageOf(thrown) });
    } finally {
      this.#timer = undefined;
    }
  }

  /** @returns the number of removed streams */
  async #prune(): Promise<number> {
    const { store, archived } = this.#dependencies;
    const inArchive = archived();
    await store.finishPruning();
    const isExpired = (end: StoredEvent, stream: string) =>
      isOver(end.to) && (this.#isOld(end) || inArchive.has(stream));
    let removed = await this.#pruneByAge(isExpired);
    if (this.#isTooFull) {
      removed += await this.#pruneByShare();
      removed += await this.#pruneByAge((end) => this.#isTooFull && isForgotten(end.to));
    } else {
      this.#measured.clear();
      this.#names.clear();
    }
    return removed;
  }

  get #isTooFull(): boolean {
    const { store, bounds } = this.#dependencies;
    return store.bytes() > bounds().maxBytes;
  }

  #isOld({ time }: StoredEvent): boolean {
    const { now, bounds } = this.#dependencies;
    return now() - time > bounds().keepMs;
  }

  /** @param isRemovable decides by the last event of a stream */
  async #pruneByAge(isRemovable: (end: StoredEvent, stream: string) => boolean): Promise<number> {
    let removed = 0;
    let checked = 0;
    let kept = 0;
    for (const head of this.#dependencies.store.streamsByAge()) {
      if (this.#closed || kept === maxKeptInARow) break;
      checked += 1;
      if (checked % streamsPerTurn === 0) await setImmediate();
      if (await this.#remove(head, isRemovable)) {
        removed += 1;
        kept = 0;
      } else kept += 1;
    }
    return removed;
  }

  /** Removes the oldest streams of jobs that use more than an equal share, until the log or their use is small enough. */
  async #pruneByShare(): Promise<number> {
    const { store, bounds } = this.#dependencies;
    const shares = await this.#measure();
    const share = shares.equalShare(bounds().maxBytes / store.bytes());
    let removed = 0;
    for (;;) {
      const before = removed;
      for (const [index, head] of (await this.#oldestBeyond(share, shares)).entries()) {
        if (index % streamsPerTurn === 0) await setImmediate();
        if (this.#closed || !this.#isTooFull) return removed;
        const { job, bytes } = this.#measured.get(head.firstPosition) ?? { job: noJob, bytes: 0 };
        if (shares.used(job) <= share || !(await this.#remove(head, ({ to }) => isForgotten(to)))) continue;
        this.#measured.delete(head.firstPosition);
        shares.add(job, -bytes);
        removed += 1;
      }
      if (removed === before) return removed;
    }
  }

  /** The oldest streams, {@link maxChosen} at most, that may be removed from jobs with more than their share. */
  async #oldestBeyond(share: number, shares: HistoryShares): Promise<StreamEntry[]> {
    const { store, isHeld } = this.#dependencies;
    const chosen: StreamEntry[] = [];
    const dropNewer = () => {
      chosen.sort((one, other) => one.firstPosition - other.firstPosition);
      chosen.splice(maxChosen);
    };
    let looked = 0;
    for (const head of store.streams()) {
      if (this.#closed) return [];
      looked += 1;
      if (looked % headsPerTurn === 0) await setImmediate();
      const job = this.#measured.get(head.firstPosition)?.job;
      if (job === undefined || shares.used(job) <= share) continue;
      if (!isForgotten(head.state ?? "") || isHeld(toTaskId(head.stream))) continue;
      chosen.push(head);
      if (chosen.length === 2 * maxChosen) dropNewer();
    }
    dropNewer();
    return chosen;
  }

  /** Measures the streams that are new, or have grown, since the last pass. */
  async #measure(): Promise<HistoryShares> {
    const shares = new HistoryShares();
    const found = new Set<number>();
    let work = 0;
    for (const head of this.#dependencies.store.streams()) {
      if (this.#closed) break;
      found.add(head.firstPosition);
      let measured = this.#measured.get(head.firstPosition);
      work += 1 / headsPerTurn;
      if (measured?.version !== head.version) {
        measured = this.#sizeOf(head);
        this.#measured.set(head.firstPosition, measured);
        work += (1 + measured.bytes / bytesPerStream) / streamsPerTurn;
      }
      shares.add(measured.job, measured.bytes);
      if (work < 1) continue;
      work = 0;
      await setImmediate();
    }
    for (const position of this.#measured.keys()) if (!found.has(position)) this.#measured.delete(position);
    return shares;
  }

  #sizeOf({ stream, version }: StreamEntry): Measured {
    let name: string | undefined;
    let bytes = 0;
    for (const record of this.#dependencies.store.readRecords(stream)) {
      bytes += record.length;
      if (name !== undefined) continue;
      const read = readRecord(record);
      name = isDefect(read) ? noJob : jobOf(read.event);
    }
    name ??= noJob;
    const job = this.#names.get(name) ?? name;
    this.#names.set(job, job);
    return { version, job, bytes };
  }

  /** @returns whether the stream was removed */
  async #remove(
    { stream, version }: StreamHead,
    isRemovable: (end: StoredEvent, stream: string) => boolean,
  ): Promise<boolean> {
    const { store, isHeld, removeFiles } = this.#dependencies;
    const end = lastEvent(store, stream, version);
    if (end === undefined || !isRemovable(end, stream) || isHeld(toTaskId(stream))) return false;
    // Removes the files first, because files of a removed history would stay for ever.
    removeFiles(toTaskId(stream));
    return store.prune(stream, version);
  }
}

/**
 * Whether the agent cannot ask for a task any more. It may still ask for one that has ended but was not destroyed:
 * its stream stays even if the log is too full.
 */
function isForgotten(state: string): boolean {
  // The agent does not destroy a task that failed to start.
  return state === "destroyed" || state === "failed";
}

/** The last event of a stream. Undefined if the event is damaged: then the stream is kept, as evidence. */
function lastEvent(store: EventStore, stream: string, version: number): StoredEvent | undefined {
  try {
    const [end] = store.readStream(stream, version);
    return end;
  } catch {
    return undefined;
  }
}
