/**
 * Keeps the history within its bounds: streams of tasks that are over are removed,
 * the oldest first, in the background and a little at a time.
 *
 * Nothing polls: a pass is made some time after the start, and after a task was
 * destroyed, but not too often.
 */
import { setImmediate } from "node:timers/promises";
import type { HistoryBounds } from "../../config/options/history.ts";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../log/hclog.ts";
import { isOver } from "../../machines/taskMachine.ts";
import type { EventStore, StoredEvent } from "../../store/eventStore.ts";

/** What the pruner needs of its surroundings. */
export interface PrunerDependencies {
  readonly store: EventStore;
  readonly log: Logger;
  /** Wall clock, milliseconds since the epoch. */
  readonly now: () => number;
  readonly bounds: () => HistoryBounds;
  /** Whether the driver has to do with a task: its history stays then. */
  readonly inUse: (taskId: string) => boolean;
}

/** So that tasks are taken over, and the node is ready, before anything is removed. */
const firstPauseMs = 60_000;
const pauseMs = 600_000;
/** Streams that are looked at in one turn of the event loop: some 1 ms. */
const looksATurn = 20;
/**
 * A pass ends after so many streams in a row that stay. Those that come later began
 * later still; more than one is looked at because some live long, and clocks jump.
 */
const maxKept = 1_000;

export class HistoryPruner {
  readonly #surroundings: PrunerDependencies;
  #timer: NodeJS.Timeout | undefined;
  #passing: Promise<void> | undefined;
  #pauseMs = firstPauseMs;
  #closed = false;

  constructor(surroundings: PrunerDependencies) {
    this.#surroundings = surroundings;
  }

  /** There may be something to remove, sooner or later. */
  wake(): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => {
      this.#passing = this.#pass();
    }, this.#pauseMs).unref();
  }

  /** Resolves once nothing is removed any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#passing;
  }

  async #pass(): Promise<void> {
    const { log } = this.#surroundings;
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

  /** @returns how many streams were removed */
  async #prune(): Promise<number> {
    const { store, now, bounds, inUse } = this.#surroundings;
    const { keepMs, maxBytes } = bounds();
    await store.finishPruning();
    let removed = 0;
    let looks = 0;
    let stayed = 0;
    for (const { stream, version } of store.streamsByAge()) {
      if (this.#closed || stayed === maxKept) break;
      looks += 1;
      if (looks % looksATurn === 0) await setImmediate();
      const end = lastEvent(store, stream, version);
      const tooOld = end !== undefined && now() - end.time > keepMs;
      const mayGo = end !== undefined && !inUse(stream) && isPrunable(end, tooOld, store.bytes() > maxBytes);
      if (mayGo && (await store.prune(stream, version))) {
        removed += 1;
        stayed = 0;
      } else stayed += 1;
    }
    return removed;
  }
}

/**
 * Whether a stream with this end may be removed. A task that is over and was never
 * destroyed is one that its agent has forgotten, or may yet ask for: only age counts.
 */
function isPrunable(end: StoredEvent, tooOld: boolean, tooFull: boolean): boolean {
  // A task that never started has nothing to be destroyed.
  const done = end.to === "destroyed" || end.to === "failed";
  return (tooOld && isOver(end.to)) || (tooFull && done);
}

/** Undefined for one that is damaged: it is evidence, and stays. */
function lastEvent(store: EventStore, stream: string, version: number): StoredEvent | undefined {
  try {
    const [end] = store.readStream(stream, version);
    return end;
  } catch {
    return undefined;
  }
}
