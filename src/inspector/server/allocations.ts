/** The lanes of allocations: read from the logs when a page asks for them, and kept for the next time. */
import { setImmediate as turn } from "node:timers/promises";
import { readHistory } from "../../replay/storedHistory.ts";
import { type AllocationView, allocationView, shownRuns } from "../views/allocation/allocationView.ts";
import { extendLane, type LaneStep, type RunLane } from "../views/allocation/runLane.ts";
import type { TaskIndex } from "./taskIndex.ts";

/** Some kilobytes each. */
const maxKept = 2_000;
/** Reading so many takes some milliseconds. */
const eventsOfTurn = 256;

export class Allocations {
  readonly #index: TaskIndex;
  /** By the run's id, the one used last at the end. */
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

  /** What happened in a run but commands: the newest events. Undefined if there is no such run. */
  async stepsOf(id: string): Promise<readonly LaneStep[] | undefined> {
    return (await this.#laneOf(id))?.steps;
  }

  /** Read in turns with other work: a history may have tens of thousands of events. */
  async #laneOf(id: string): Promise<RunLane | undefined> {
    const reader = this.#index.readerOf(id);
    if (reader === undefined) return undefined;
    const kept = this.#lanes.get(id);
    // Fewer events than are kept: the log was replaced by another one.
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
