/**
 * Events of earlier schema versions in the shape of today's: a log is never
 * rewritten, it is read as it was written. Pure.
 *
 * A new field of an event needs one line here: what it is for the events that
 * were stored before there was such a field. A change that is more than a new
 * field is a new type of event.
 */
import { DriverError } from "../errors.ts";
import { EVENT_SCHEMA_VERSION, type EventData, type EventType } from "./events.ts";

/** An event as far as its data depend on the version that wrote it. */
export interface VersionedEvent {
  readonly stream: string;
  readonly seq: number;
  readonly type: string;
  /** Version of the schema of `data`. */
  readonly schema: number;
  readonly data: unknown;
}

/** Values of fields, nested as they are in the event, that a schema version brought. */
type Additions = { readonly [T in EventType]?: PartOf<EventData<T>> };
type PartOf<T> = T extends readonly unknown[] | null
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: PartOf<T[K]> }
    : T;

/** What version 2 brought, as it is for events of version 1. */
const addedIn2: Additions = {
  requested: {
    settings: {},
    network: { self: null },
    extraHosts: [],
    connectTcp: null,
    bindTcp: null,
    mounts: [],
    devices: [],
  },
  exited: { oom: null },
  sandboxed: { groups: [], capabilities: null, resourceLimits: [], umask: 0o022, nice: 0 },
};

const addedIn3: Additions = { sandboxed: { runCgroup: null } };

const addedIn4: Additions = { sandboxed: { init: null } };

/** The text of an error of before is told as it is: it is not taken to pieces. */
const addedIn5: Additions = { startFailed: { summary: null, hint: null } };

/** By the version that is left behind, from 1 on. */
const additions: readonly Additions[] = [addedIn2, addedIn3, addedIn4, addedIn5];

/**
 * The event's data as today's schemas have them; data of today stay as they are.
 * @throws DriverError `EVENT_TOO_NEW` for an event that a newer version of the driver wrote
 * @throws DriverError `EVENT_INVALID` for a version that there never was
 */
export function upcast({ stream, seq, type, schema, data }: VersionedEvent): unknown {
  if (schema === EVENT_SCHEMA_VERSION) return data;
  if (schema > EVENT_SCHEMA_VERSION) throw tooNew(stream, seq, schema);
  if (!Number.isInteger(schema) || schema < 1) {
    throw new DriverError("EVENT_INVALID", `event ${seq} of ${stream} has schema version ${schema}`);
  }
  return additions
    .slice(schema - 1)
    .reduce((older, added) => withAdditions(older, added[type as EventType]), data);
}

/** What the data have wins: an addition is for what they lack, at any depth. */
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
    hint: "Run a driver at least as new as the one that wrote it; the log stays as it is",
  });
}
