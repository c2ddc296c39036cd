/** A task as one row of the list. Pure. */

import { knownEnd, shortEnd } from "../../base/taskEnd.ts";
import { eventTypes } from "../../machines/events.ts";
import type { MachineState } from "../../machines/machineVersion.ts";
import { outlineOf, type TaskOutline, type TaskTimes } from "../../machines/taskOutline.ts";
import { causeOf, type Outcome, outcomeOf } from "./outcome.ts";

/** Unknown values are null. Times are milliseconds since the epoch. */
export interface TaskSummary extends TaskOutline, TaskTimes {
  readonly outcome: Outcome;
  /**
   * The cause of the failure, equal for tasks that failed for the same reason; null if the task did not fail.
   */
  readonly cause: string | null;
  /** The user that the task runs as. */
  readonly user: string | null;
  /** Number of the task's last event. */
  readonly events: number;
  /** The types of its events, as a bit set: bit n stands for the type at index n of {@link eventTypes}. */
  readonly seen: number;
  readonly begunAt: number;
  readonly startedAt: number | null;
  /** Milliseconds from the request to the running program. */
  readonly startMs: number | null;
  /** Its exit code, or the name of the signal that ended it. */
  readonly exit: string | null;
  /** Number of earlier runs of the task in its allocation. */
  readonly restarts: number;
  /** Bytes that its own folders may have; missing without a limit. */
  readonly diskLimit?: number;
}

/** The parts of a summary that the machine's state does not hold. */
export type SummaryPlace = Pick<
  TaskSummary,
  "id" | "events" | "seen" | "begunAt" | "endedAt" | "changedAt" | "restarts"
>;

export function summaryOf(place: SummaryPlace, state: MachineState): TaskSummary {
  const { startedAt, exit, adopted, request, sandbox } = state.context;
  const known = knownEnd(exit);
  const started = startedAt !== null && adopted === null;
  return {
    ...place,
    ...outlineOf(place.id, state),
    outcome: outcomeOf(state),
    cause: causeOf(state),
    user: sandbox?.user ?? (request?.user || null),
    startedAt,
    startMs: started ? Math.max(0, startedAt - place.begunAt) : null,
    exit: known && shortEnd(known),
    ...(sandbox?.disk && { diskLimit: sandbox.disk.limitBytes }),
  };
}

/** The bit of a type in {@link TaskSummary.seen}; 0 for a type that only another version knows. */
export function bitOf(type: string): number {
  const index = (eventTypes as readonly string[]).indexOf(type);
  return index === -1 ? 0 : 2 ** index;
}
