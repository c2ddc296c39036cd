/**
 * Converts events of earlier schema versions to the current one. A log is never rewritten. Instead, reading
 * adds the fields that the event's type lists in `added`. Pure.
 */
import { DriverError } from "../base/errors.ts";
import { EVENT_SCHEMA_VERSION, traitsOf } from "./events.ts";

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
 * The event's data in the shape of the current schemas. Data of the current version are returned unchanged.
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
