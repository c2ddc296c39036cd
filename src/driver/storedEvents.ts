/** Between an event as the machine takes it and as the log keeps it. Pure. */
import { EVENT_SCHEMA_VERSION, type TaskEvent } from "../machines/events.ts";
import { type Step, step, type TaskSnapshot } from "../machines/fold.ts";
import { upcast } from "../machines/upcast.ts";
import type { EventToAppend, StoredEvent } from "../store/eventStore.ts";

/** An event with what the machine made of it. */
export function toStored(event: TaskEvent, { from, to, effects }: Step): EventToAppend {
  return { ...event, schema: EVENT_SCHEMA_VERSION, from, to, effects };
}

/** Further facts of a task: where they lead, and as the log keeps them. */
export interface Advance {
  readonly snapshot: TaskSnapshot;
  readonly events: readonly EventToAppend[];
}

export function advance(from: TaskSnapshot, facts: readonly TaskEvent[]): Advance {
  let snapshot = from;
  const events = facts.map((fact) => {
    const taken = step(snapshot, fact);
    snapshot = taken.snapshot;
    return toStored(fact, taken);
  });
  return { snapshot, events };
}

/**
 * Events of the log were task events when they were written: they are brought to today's shape, not checked.
 * @throws DriverError `EVENT_TOO_NEW` where a newer version of the driver wrote it
 */
export function toTaskEvent(stored: StoredEvent): TaskEvent {
  return { type: stored.type, time: stored.time, data: upcast(stored) } as TaskEvent;
}
