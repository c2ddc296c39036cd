/**
 * Views of allocations. A `RunLane` is the part of a task's lane that shows one run. It is read from the log
 * when a page requests it, and kept for the next request.
 */
import { setImmediate as turn } from "node:timers/promises";
import { readHistory } from "../../history/replay/storedHistory.ts";
import {
  type AllocationView,
  allocationView,
  extendLane,
  type LaneStep,
  type RunLane,
  shownRuns,
} from "../views/allocationView.ts";
import type { TaskIndex } from "./taskIndex.ts";

/** Maximum number of kept `RunLane`s, a few kilobytes each. */
const maxKept = 2_000;
/** Events to read in one turn of the event loop: a few milliseconds of work. */
const eventsOfTurn = 256;

export class Allocations {
  readonly #index: TaskIndex;
  /** The kept `RunLane`s by run id, in the order of their last use. */
  readonly #lanes = new Map<string, RunLane>();

  constructor(index: TaskIndex) {
    this.#index = index;
  }

  /** Undefined if there is no task of the allocation. */
  async view(allocation: string): Promise<AllocationView | undefined> {
    const rows = this.#index.rows().filter((row) => row.allocation === allocation);
    const lanes = new Map<string, RunLane | undefined>();
    for (const { id } of shownRuns(rows)) lanes.set(id, await this.#laneOf(id));
    return allocationView(rows, (id) => lanes.get(id));
  }

  /** The newest events of a run, without those of commands. Undefined if there is no such run. */
  async stepsOf(id: string): Promise<readonly LaneStep[] | undefined> {
    return (await this.#laneOf(id))?.steps;
  }

  /**
   * Reads a run's lane. Gives other work a turn now and then, because a history may have tens of thousands of
   * events.
   */
  async #laneOf(id: string): Promise<RunLane | undefined> {
    const reader = this.#index.readerOf(id);
    if (reader === undefined) return undefined;
    const kept = this.#lanes.get(id);
    // If the log has fewer events than the kept lane, another log has replaced it.
    let lane = kept !== undefined && kept.events <= reader.version(id) ? kept : undefined;
    while ((lane?.events ?? 0) < reader.version(id)) {
      const events = readHistory(reader, id, (lane?.events ?? 0) + 1, eventsOfTurn);
      if (events.length === 0) break;
      lane = extendLane(lane, events);
      await turn();
    }
    this.#keep(id, lane);
    return lane;
  }

  #keep(id: string, lane: RunLane | undefined): void {
    this.#lanes.delete(id);
    if (lane !== undefined) this.#lanes.set(id, lane);
    const [oldest] = this.#lanes.keys();
    if (this.#lanes.size > maxKept && oldest !== undefined) this.#lanes.delete(oldest);
  }
}
