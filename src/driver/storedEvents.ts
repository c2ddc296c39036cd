/** Between an event as the machine takes it and as the log keeps it. Pure. */
import { EVENT_SCHEMA_VERSION, type TaskEvent } from "../machines/events.ts";
import type { Step } from "../machines/fold.ts";
import type { EventToAppend, StoredEvent } from "../store/eventStore.ts";

/** An event with what the machine made of it. */
export function toStored(event: TaskEvent, { from, to, effects }: Step): EventToAppend {
  return { ...event, schema: EVENT_SCHEMA_VERSION, from, to, effects };
}

/** Events of the log were task events when they were written. */
export function toTaskEvent({ type, time, data }: StoredEvent): TaskEvent {
  return { type, time, data } as TaskEvent;
}
