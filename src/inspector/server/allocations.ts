/** The lanes of allocations: read from the logs when a page asks for them, and kept for the next time. */
import { readHistory } from "../../replay/storedHistory.ts";
import { type AllocationView, allocationView } from "../views/allocation/allocationView.ts";
import { extendLane, type LaneStep, type RunLane } from "../views/allocation/runLane.ts";
import type { TaskIndex } from "./taskIndex.ts";

/** Some kilobytes each. */
const maxKept = 2_000;

export class Allocations {
  readonly #index: TaskIndex;
  /** By the run's id, the one used last at the end. */
  readonly #lanes = new Map<string, RunLane>();

  constructor(index: TaskIndex) {
    this.#index = index;
  }

  /** Undefined if there is no task of the allocation. */
  view(allocation: string): AllocationView | undefined {
    const rows = this.#index.rows().filter((row) => row.allocation === allocation);
    return allocationView(rows, (id) => this.#laneOf(id));
  }

  /** What happened in a run but commands: the newest events. Undefined if there is no such run. */
  stepsOf(id: string): readonly LaneStep[] | undefined {
    return this.#laneOf(id)?.steps;
  }

  #laneOf(id: string): RunLane | undefined {
    const reader = this.#index.readerOf(id);
    if (reader === undefined) return undefined;
    const kept = this.#lanes.get(id);
    const version = reader.version(id);
    // Fewer events than are kept: the log was replaced by another one.
    const before = kept !== undefined && kept.events <= version ? kept : undefined;
    const after =
      before?.events === version
        ? before
        : extendLane(before, readHistory(reader, id, (before?.events ?? 0) + 1));
    this.#lanes.delete(id);
    if (after !== undefined) this.#lanes.set(id, after);
    const [oldest] = this.#lanes.keys();
    if (this.#lanes.size > maxKept && oldest !== undefined) this.#lanes.delete(oldest);
    return after;
  }
}
