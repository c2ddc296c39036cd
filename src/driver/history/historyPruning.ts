/**
 * Keeps the history within its bounds: removes streams of ended tasks, oldest first,
 * in the background and a few at a time.
 *
 * Nothing polls. The first pass runs a minute after the plugin's start. Later passes run ten
 * minutes after a task is destroyed or fails to start.
 */

import { setImmediate } from "node:timers/promises";
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/hclog.ts";
import { type TaskId, toTaskId } from "../../base/taskId.ts";
import { isOver } from "../../machines/taskMachine.ts";
import type { EventStore, StoredEvent } from "../../store/eventStore.ts";
import type { HistoryBounds } from "../options/historyBounds.ts";

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

export class HistoryPruner {
  readonly #dependencies: PrunerDependencies;
  #timer: NodeJS.Timeout | undefined;
  #passing: Promise<void> | undefined;
  #pauseMs = firstPauseMs;
  #closed = false;

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
    const { store, now, bounds, isHeld, archived, removeFiles } = this.#dependencies;
    const { keepMs, maxBytes } = bounds();
    const inArchive = archived();
    await store.finishPruning();
    let removed = 0;
    let checked = 0;
    let kept = 0;
    for (const { stream, version } of store.streamsByAge()) {
      if (this.#closed || kept === maxKeptInARow) break;
      checked += 1;
      if (checked % streamsPerTurn === 0) await setImmediate();
      const end = lastEvent(store, stream, version);
      const isExpired = end !== undefined && (now() - end.time > keepMs || inArchive.has(stream));
      const removable =
        end !== undefined &&
        isPrunable(end, isExpired, store.bytes() > maxBytes) &&
        !isHeld(toTaskId(stream));
      if (removable) {
        // Removes the files first, because files of a removed history would stay for ever.
        removeFiles(toTaskId(stream));
        if (await store.prune(stream, version)) {
          removed += 1;
          kept = 0;
          continue;
        }
      }
      kept += 1;
    }
    return removed;
  }
}

/**
 * Whether a stream with this last event may be removed. The agent may still ask for a task
 * that has ended but was not destroyed: its stream stays even if the log is too full.
 */
function isPrunable(end: StoredEvent, isExpired: boolean, isTooFull: boolean): boolean {
  // The agent does not destroy a task that failed to start.
  const isForgotten = end.to === "destroyed" || end.to === "failed";
  return (isExpired && isOver(end.to)) || (isTooFull && isForgotten);
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
