/** The histories of tasks: as the log stores them, and as the driver keeps them in memory. */

import type { TaskId } from "../../base/taskId.ts";
import { EVENT_SCHEMA_VERSION, type TaskEvent, traitsOf } from "../../machines/events.ts";
import { fold, type TaskSnapshot } from "../../machines/fold.ts";
import { isDefect, readRecord } from "../../store/eventRecord.ts";
import type { EventReader, EventToAppend, StoredEvent } from "../../store/eventStore.ts";
import { toTaskEvent } from "./storedEvents.ts";

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
export function storedHistory(taskId: TaskId, store: EventReader): TaskHistory | undefined {
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
