/**
 * The catalogue of event types. Events are the facts of a task's life, in the past
 * tense, with everything that a replay needs. Each type is defined in one place
 * (events/). The driver writes events as the catalogue defines them. All code that
 * shows, compares, groups or masks events reads the catalogue. Pure.
 */
import { z } from "zod";
import { visible } from "../units/visible.ts";
import type { EventBody, EventParts, EventTraits } from "./events/defineEvent.ts";
import { denials } from "./events/denied.ts";
import { ending } from "./events/ending.ts";
import { running } from "./events/running.ts";
import { starting } from "./events/starting.ts";
import { takingOver } from "./events/takingOver.ts";

/** Version of the schemas, stored with every event; upcast.ts converts events of earlier versions. */
export const EVENT_SCHEMA_VERSION = 1;

export const eventCatalogue = { ...starting, ...running, ...denials, ...ending, ...takingOver };

export type EventType = keyof typeof eventCatalogue;
export type EventData<T extends EventType> = z.infer<(typeof eventCatalogue)[T]["schema"]>;

/** An event of one type. */
export interface EventOf<T extends EventType> extends EventBody<EventData<T>> {
  readonly type: T;
}

/** An event of any type, as the machine takes it. */
export type TaskEvent = { [T in EventType]: EventOf<T> }[EventType];

const parts: {
  readonly [T in EventType]: EventParts<EventData<T>> & { readonly schema: z.ZodType<EventData<T>> };
} = eventCatalogue;

export const eventTypes = Object.keys(eventCatalogue) as readonly EventType[];
export const maxTypeLength = Math.max(...eventTypes.map(({ length }) => length));

/** The traits of a type; undefined if this version has no type of that name. */
export function traitsOf(type: string): EventTraits | undefined {
  return isEventType(type) ? eventCatalogue[type] : undefined;
}

/** All parts of a type; undefined for a type that only another version knows. */
function partsOf<T extends EventType>(type: T): (typeof parts)[T] | undefined {
  return isEventType(type) ? parts[type] : undefined;
}

export function isEventType(type: string): type is EventType {
  return Object.hasOwn(eventCatalogue, type);
}

/**
 * The event in one line, of visible characters only. No event holds values of the environment, so the line
 * cannot show them.
 */
export function summarize<T extends EventType>({ type, data }: EventOf<T>): string {
  return visible(partsOf(type)?.summary(data) ?? "only another version of the driver knows this event");
}

/** Whether the event reports an error. @param from the state before */
export function isWrong<T extends EventType>({ type, data }: EventOf<T>, from: string): boolean {
  const { shown, wentWrong } = partsOf(type) ?? {};
  return shown?.tone === "wrong" || wentWrong?.(data, from) === true;
}

/** The only cast that pairs a type with its data: TypeScript loses the pairing where `T` is a union. */
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

/** Kept, because building a schema takes ten times as long as using it. */
const typeSchema = z.enum(eventTypes);
