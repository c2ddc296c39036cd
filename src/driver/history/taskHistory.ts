/** The histories of tasks: as the log stores them, and as the driver keeps them in memory. */

import { DriverError } from "../../base/errors.ts";
import type { TaskId } from "../../base/taskId.ts";
import {
  EVENT_SCHEMA_VERSION,
  type EventData,
  isEventType,
  type TaskEvent,
  taskEvent,
  traitsOf,
  upcast,
} from "../../machines/events.ts";
import { fold, type Step, step, type TaskSnapshot } from "../../machines/taskMachine.ts";
import { isDefect, readRecord } from "../../store/eventRecord.ts";
import type { EventReader, EventToAppend, StoredEvent } from "../../store/eventStore.ts";

/** The history of a task until this process takes over the task. */
export interface TaskHistory {
  readonly snapshot: TaskSnapshot;
  /** Number of the last stored event. */
  readonly version: number;
  /** Events of the snapshot that are not stored yet, oldest first. */
  readonly unstored?: readonly EventToAppend[];
}

/**
 * A task's history in the log.
 * @returns undefined if the log does not have the task
 * @throws DriverError `STORE_FAILED` if the log cannot be read, `STORE_DAMAGED` for a damaged event
 */
export function storedHistory(
  taskId: TaskId,
  store: Pick<EventReader, "readStream">,
): TaskHistory | undefined {
  const events = [...store.readStream(taskId, 1, "plan")];
  return events.length === 0
    ? undefined
    : { snapshot: withoutPlan(fold(events.map(toTaskEvent))), version: events.length };
}

/**
 * Drops the launch plan, which makes up most of a history. Only people read plans, and they read them in the
 * log. Without the plans, a thousand running tasks take 10 MiB less memory.
 */
export function withoutPlan(snapshot: TaskSnapshot): TaskSnapshot {
  const { sandbox } = snapshot.context;
  if (sandbox === null || sandbox.plan.length === 0) return snapshot;
  return { ...snapshot, context: { ...snapshot.context, sandbox: { ...sandbox, plan: [] } } };
}

/** Number of runs whose beginnings are read in one turn of the event loop. Each takes some 50 µs. */
export const runsPerTurn = 20;

export type Log = Pick<EventReader, "readRecords" | "streams">;

export type PlacedEvent = TaskEvent & Pick<StoredEvent, "position">;

/**
 * The events of a run up to and including `started`. The run may have ended. Stops before an event that
 * cannot be read, or that does not belong to a start.
 */
export function* beginningOf(stream: string, log: Pick<Log, "readRecords">): Iterable<PlacedEvent> {
  for (const bytes of log.readRecords(stream)) {
    const stored = readable(bytes);
    if (stored === undefined) return;
    const category = traitsOf(stored.type)?.shown.category;
    if (category !== "input" && category !== "start") return;
    yield { ...toTaskEvent(stored), position: stored.position };
    if (stored.type === "started") return;
  }
}

function readable(bytes: Buffer): StoredEvent | undefined {
  const read = readRecord(bytes);
  return isDefect(read) || read.event.schema > EVENT_SCHEMA_VERSION ? undefined : read.event;
}

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
