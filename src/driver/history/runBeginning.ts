/** Reads from the log how a run began, even if it has ended. */
import { EVENT_SCHEMA_VERSION, type TaskEvent, traitsOf } from "../../machines/events.ts";
import { isDefect, readRecord } from "../../store/eventRecord.ts";
import type { EventReader, StoredEvent } from "../../store/eventStore.ts";
import { toTaskEvent } from "./storedEvents.ts";

/** Runs to read in one turn of the event loop. Each takes some 50 µs. */
export const runsPerTurn = 20;

export type Log = Pick<EventReader, "readRecords" | "streams">;

export type PlacedEvent = TaskEvent & Pick<StoredEvent, "position">;

/** The events up to and including `started`. Ends before an event that cannot be read. */
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
