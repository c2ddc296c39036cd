/** A task as one row of the list. Pure. */

import type { MachineState } from "../../machines/machineVersion.ts";
import { outlineOf, type TaskOutline } from "../../machines/taskOutline.ts";
import { knownEnd, shortEnd } from "../../taskEnd.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

/** Unknown values are null. Times are milliseconds since the epoch. */
export interface TaskSummary extends TaskOutline {
  readonly outcome: Outcome;
  /** Number of its last event. */
  readonly events: number;
  readonly begunAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Milliseconds from the request to the running program. */
  readonly startMs: number | null;
  /** Its exit code, or the name of the signal that ended it. */
  readonly exit: string | null;
  /** Number of earlier runs of the task in its allocation. */
  readonly restarts: number;
}

/** The parts of a summary that the machine's state does not hold. */
export interface SummaryPlace {
  readonly id: string;
  readonly events: number;
  readonly begunAt: number;
  /** Time of its last event. */
  readonly changedAt: number;
  readonly restarts: number;
}

export function summaryOf({ changedAt, ...place }: SummaryPlace, state: MachineState): TaskSummary {
  const { startedAt, exit, adopted, failure, lostReason } = state.context;
  const known = knownEnd(exit);
  const started = startedAt !== null && adopted === null;
  return {
    ...place,
    ...outlineOf(place.id, state),
    outcome: outcomeOf(state),
    startedAt,
    endedAt: exit?.endedAt ?? (failure !== null || lostReason !== null ? changedAt : null),
    startMs: started ? Math.max(0, startedAt - place.begunAt) : null,
    exit: known && shortEnd(known),
  };
}
