/** Summarises a task's events. Pure. */
import { fold, type TaskSnapshot } from "../../machines/fold.ts";
import { thisMachine } from "../../machines/machineVersion.ts";
import { endText, outlineOf, type TaskOutline } from "../../machines/taskOutline.ts";
import type { StoredEvent } from "../../store/eventStore.ts";

export interface TaskHistory extends TaskOutline {
  /** Time of the request, in milliseconds since the epoch; 0 if unknown. */
  readonly begunAt: number;
  /** How it ended, or why it never started; empty while it runs. */
  readonly end: string;
  /** How long it ran; undefined if it still runs, or never did. */
  readonly ranMs: number | undefined;
}

/** Folds the events that this version of the driver can read. */
export function foldReadable(events: readonly StoredEvent[]): TaskSnapshot {
  return fold(events.flatMap((event) => readable(event) ?? []));
}

export function taskHistory(id: string, events: readonly StoredEvent[]): TaskHistory {
  const snapshot = foldReadable(events);
  const { startedAt, exit } = snapshot.context;
  return {
    ...outlineOf(id, snapshot),
    begunAt: events[0]?.time ?? 0,
    end: endText(snapshot.context),
    ranMs: startedAt !== null && exit !== null ? Math.max(0, exit.endedAt - startedAt) : undefined,
  };
}

/** The event as the machine reads it; undefined if it cannot, such as an event of a newer version. */
export function readable(event: StoredEvent) {
  try {
    return thisMachine.readEvent(event);
  } catch {
    return undefined;
  }
}
