/** Between an event as the machine takes it and as the log keeps it. Pure. */
import { DriverError } from "../../errors.ts";
import {
  EVENT_SCHEMA_VERSION,
  type EventData,
  isEventType,
  type TaskEvent,
  taskEvent,
} from "../../machines/events.ts";
import { type Step, step, type TaskSnapshot } from "../../machines/fold.ts";
import { upcast } from "../../machines/upcast.ts";
import type { EventToAppend, StoredEvent } from "../../store/eventStore.ts";

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
 * Data of the log's events were checked by the compiler when they were written, and their hashes tell that
 * they are the same still: they are brought to today's shape, and not checked again.
 * @throws DriverError `EVENT_TOO_NEW` where a newer version of the driver wrote it
 * @throws DriverError `EVENT_INVALID` where no version did
 */
export function toTaskEvent(stored: StoredEvent): TaskEvent {
  const { stream, seq, type, time } = stored;
  const data = upcast(stored);
  if (isEventType(type)) return taskEvent(type, time, data as EventData<typeof type>);
  throw new DriverError("EVENT_INVALID", `event ${seq} of ${stream} is of a type that there is not: ${type}`);
}
