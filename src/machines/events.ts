/**
 * The facts of a task's life, in the past tense, with everything that a replay
 * needs. One schema each (eventSchemas.ts): its type is what the driver writes,
 * and the schema itself checks histories that come from elsewhere.
 */
import { z } from "zod";
import { eventSchemas } from "./eventSchemas.ts";

/** Version of the schemas, stored with every event; upcast.ts reads those of earlier ones. */
export const EVENT_SCHEMA_VERSION = 5;

export type EventType = keyof typeof eventSchemas;
export type EventData<T extends EventType> = z.infer<(typeof eventSchemas)[T]>;

/** A fact as the machine takes it; `time` in milliseconds since the epoch. */
export type TaskEvent = {
  [T in EventType]: { readonly type: T; readonly time: number; readonly data: EventData<T> };
}[EventType];

/**
 * Checks an event that comes from outside this process.
 * @returns the event, without keys that its schema does not know
 * @throws ZodError naming the field
 */
export function parseTaskEvent(type: string, time: number, data: unknown): TaskEvent {
  const known = typeSchema.parse(type);
  return { type: known, time, data: eventSchemas[known].parse(data) } as TaskEvent;
}

/** Made once: making a schema takes ten times as long as using it. */
const typeSchema = z.enum(Object.keys(eventSchemas) as [EventType]);
