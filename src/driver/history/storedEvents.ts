/** Converts between the machine's events and the log's. Pure. */
import { DriverError } from "../../base/errors.ts";
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

/** An event with the step that it caused, for the log. */
export function toStored(event: TaskEvent, { from, to, effects }: Step): EventToAppend {
  return { ...event, schema: EVENT_SCHEMA_VERSION, from, to, effects };
}

/** The result of applying events: the new snapshot, and the events for the log. */
export interface Advance {
  readonly snapshot: TaskSnapshot;
  readonly events: readonly EventToAppend[];
}

export function advance(from: TaskSnapshot, facts: readonly TaskEvent[]): Advance {
  let snapshot = from;
  const events = facts.map((fact) => {
    const result = step(snapshot, fact);
    snapshot = result.snapshot;
    return toStored(fact, result);
  });
  return { snapshot, events };
}

/**
 * Converts a stored event to the current schema. Does not validate the data: the compiler checked the types
 * of the code that wrote them, and the record's hash shows that they are unchanged.
 * @throws DriverError `EVENT_TOO_NEW` if a newer version of the driver wrote the event
 * @throws DriverError `EVENT_INVALID` if no version could have written the event
 */
export function toTaskEvent(stored: StoredEvent): TaskEvent {
  const { stream, seq, type, time } = stored;
  const data = upcast(stored);
  if (isEventType(type)) return taskEvent(type, time, data as EventData<typeof type>);
  throw new DriverError("EVENT_INVALID", `event ${seq} of ${stream} has an unknown type: ${type}`);
}
