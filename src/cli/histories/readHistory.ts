/** Summarizes a task's events. Pure. */

import { isDamaged } from "../../history/replay/storedHistory.ts";
import { thisMachine } from "../../machines/machineVersion.ts";
import { initialSnapshot, isStateName, step, type TaskSnapshot } from "../../machines/taskMachine.ts";
import { endText, outlineOf, type TaskOutline } from "../../machines/taskOutline.ts";
import type { StoredEvent } from "../../store/eventStore.ts";

export interface TaskHistory extends TaskOutline {
  /** Time of the request, in milliseconds since the epoch; 0 if unknown. */
  readonly begunAt: number;
  /** How the task ended, or why it never started; empty while it runs. */
  readonly end: string;
  /** Duration of the run; undefined if the task is still running, or never ran. */
  readonly ranMs: number | undefined;
}

/**
 * Folds the events that this version of the driver can read. A damaged event changes only the state, as
 * recorded.
 */
export function foldReadable(events: readonly StoredEvent[]): TaskSnapshot {
  return events.reduce(stepReadable, initialSnapshot);
}

/** The snapshot after one more event, as {@link foldReadable} folds it. */
export function stepReadable(snapshot: TaskSnapshot, event: StoredEvent): TaskSnapshot {
  const known = readable(event);
  if (known !== undefined) return step(snapshot, known).snapshot;
  return isDamaged(event) && isStateName(event.to) ? { ...snapshot, value: event.to } : snapshot;
}

export function taskHistory(id: string, events: readonly StoredEvent[]): TaskHistory {
  const snapshot = foldReadable(events);
  const { startedAt, exit } = snapshot.context;
  const damaged = events.filter(isDamaged).map(({ seq }) => seq);
  return {
    ...outlineOf(id, snapshot),
    ...(damaged.length > 0 && { state: "damaged", result: null }),
    begunAt: events[0]?.time ?? 0,
    end: damaged.length > 0 ? damageText(damaged) : endText(snapshot.context),
    ranMs: startedAt !== null && exit !== null ? Math.max(0, exit.endedAt - startedAt) : undefined,
  };
}

function damageText(events: readonly number[]): string {
  const named = events.length > 3 ? `${events.length} events` : `event ${events.join(", ")}`;
  return `${named}, see replay --check`;
}

/** The event as the machine reads it; undefined for an event that the machine cannot read. */
export function readable(event: StoredEvent) {
  try {
    return thisMachine.readEvent(event);
  } catch {
    return undefined;
  }
}
