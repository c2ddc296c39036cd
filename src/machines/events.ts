/**
 * The catalogue of event types. Events are the facts of a task's life, in the past
 * tense, with everything that a replay needs. Each type is defined in one place
 * (events/). The driver writes events as the catalogue defines them. All code that
 * shows, compares, groups or masks events reads the catalogue. Pure.
 */

import { z } from "zod";
import { DriverError } from "../base/errors.ts";
import { visible } from "../units/visible.ts";
import type { EventBody, EventParts, EventTraits } from "./events/defineEvent.ts";
import { denials } from "./events/denied.ts";
import { disk } from "./events/disk.ts";
import { egress } from "./events/egressChanged.ts";
import { ending } from "./events/ending.ts";
import { names } from "./events/names.ts";
import { observations } from "./events/observed.ts";
import { operator } from "./events/operator.ts";
import { output } from "./events/output.ts";
import { running } from "./events/running.ts";
import { starting } from "./events/starting.ts";
import { takingOver } from "./events/takingOver.ts";

/** Version of the schemas, stored with every event; {@link upcast} converts events of earlier versions. */
export const EVENT_SCHEMA_VERSION = 1;

export const eventCatalogue = {
  ...starting,
  ...running,
  ...operator,
  ...denials,
  ...names,
  ...egress,
  ...output,
  ...disk,
  ...observations,
  ...ending,
  ...takingOver,
};

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
  const known = isEventType(type) ? type : typeSchema.parse(type);
  return taskEvent(known, time, parts[known].schema.parse(data));
}

/** Kept, because building a schema takes ten times as long as using it. */
const typeSchema = z.enum(eventTypes);

/** The part of an event that upcasting needs. */
export interface VersionedEvent {
  readonly stream: string;
  readonly seq: number;
  readonly type: string;
  /** Version of the schema of `data`. */
  readonly schema: number;
  readonly data: unknown;
}

/**
 * The event's data in the shape of the current schemas. A log is never rewritten: reading adds the fields that
 * the event's type lists in `added`. Data of the current version are returned unchanged.
 * @throws DriverError `EVENT_TOO_NEW` for an event that a newer version of the driver wrote
 * @throws DriverError `EVENT_INVALID` for a version that never existed
 */
export function upcast({ stream, seq, type, schema, data }: VersionedEvent): unknown {
  if (schema === EVENT_SCHEMA_VERSION) return data;
  if (!Number.isInteger(schema) || schema < 1) {
    throw new DriverError("EVENT_INVALID", `event ${seq} of ${stream} has schema version ${schema}`);
  }
  if (schema > EVENT_SCHEMA_VERSION) throw tooNew(stream, seq, schema);
  const { added = {} } = traitsOf(type) ?? {};
  let newer = data;
  for (let version = schema + 1; version <= EVENT_SCHEMA_VERSION; version++) {
    newer = withAdditions(newer, added[version]);
  }
  return newer;
}

/** Adds the fields that the data lack, at any depth. Existing fields stay unchanged. */
export function withAdditions(data: unknown, added: unknown): unknown {
  if (!isRecord(added)) return data === undefined ? added : data;
  if (data === undefined) return added;
  if (!isRecord(data)) return data;
  const fields = Object.entries(added).map(([key, value]) => [key, withAdditions(data[key], value)]);
  return { ...data, ...Object.fromEntries(fields) };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tooNew(stream: string, seq: number, schema: number): DriverError {
  const summary = `event ${seq} of ${stream} has schema version ${schema}, and this driver knows up to ${EVENT_SCHEMA_VERSION}`;
  return new DriverError("EVENT_TOO_NEW", summary, {
    hint: "Run a driver at least as new as the one that wrote the event. The log is not changed",
  });
}
