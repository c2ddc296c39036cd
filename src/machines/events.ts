/**
 * The facts of a task's life, in the past tense, with everything that a replay
 * needs: a catalogue of their types, each of which is one thing in one place
 * (events/). What the driver writes, and whatever shows, compares, groups or masks
 * events, goes by it.
 */
import { z } from "zod";
import type { EventParts, EventTraits, Told } from "./events/defineEvent.ts";
import { ending } from "./events/ending.ts";
import { running } from "./events/running.ts";
import { starting } from "./events/starting.ts";
import { takingOver } from "./events/takingOver.ts";

/** Version of the schemas, stored with every event; upcast.ts reads those of earlier ones. */
export const EVENT_SCHEMA_VERSION = 5;

export const eventCatalogue = { ...starting, ...running, ...ending, ...takingOver };

export type EventType = keyof typeof eventCatalogue;
export type EventData<T extends EventType> = z.infer<(typeof eventCatalogue)[T]["schema"]>;

/** A fact of a type. */
export interface EventOf<T extends EventType> extends Told<EventData<T>> {
  readonly type: T;
}

/** A fact as the machine takes it. */
export type TaskEvent = { [T in EventType]: EventOf<T> }[EventType];

const parts: {
  readonly [T in EventType]: EventParts<EventData<T>> & { readonly schema: z.ZodType<EventData<T>> };
} = eventCatalogue;

export const eventTypes = Object.keys(eventCatalogue) as readonly EventType[];
export const maxTypeLength = Math.max(...eventTypes.map(({ length }) => length));

/** What is known of a type; undefined where this version has none of that name. */
export function traitsOf(type: string): EventTraits | undefined {
  return isEventType(type) ? eventCatalogue[type] : undefined;
}

/** Another version's machine may take events of types that this one does not have. */
function partsOf<T extends EventType>(type: T): (typeof parts)[T] | undefined {
  return isEventType(type) ? parts[type] : undefined;
}

export function isEventType(type: string): type is EventType {
  return Object.hasOwn(eventCatalogue, type);
}

/** What the event says in one line; values of the environment are in no event, so none can be shown. */
export function summarise<T extends EventType>({ type, data }: EventOf<T>): string {
  return partsOf(type)?.summary(data) ?? "known to another version of the driver alone";
}

/** Whether the task came to harm. @param from the state before */
export function isWrong<T extends EventType>({ type, data }: EventOf<T>, from: string): boolean {
  const { shown, wentWrong } = partsOf(type) ?? {};
  return shown?.tone === "wrong" || wentWrong?.(data, from) === true;
}

/** That type and data belong together is lost where the type is any of several: it is said here, and nowhere else. */
export function taskEvent<T extends EventType>(type: T, time: number, data: EventData<T>): TaskEvent {
  return { type, time, data } as TaskEvent;
}

/**
 * Checks an event that comes from outside this process.
 * @returns the event, without keys that its schema does not know
 * @throws ZodError naming the field
 */
export function parseTaskEvent(type: string, time: number, data: unknown): TaskEvent {
  const known = typeSchema.parse(type);
  return taskEvent(known, time, parts[known].schema.parse(data));
}

/** Made once: making a schema takes ten times as long as using it. */
const typeSchema = z.enum(eventTypes);
