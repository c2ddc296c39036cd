/** Reads a stream's events up to the first damaged one. */
import { DriverError } from "../../errors.ts";
import { isDefect, readRecord } from "../../store/eventRecord.ts";
import type { EventReader, StoredEvent } from "../../store/eventStore.ts";

export interface ReadableEvents {
  readonly events: readonly StoredEvent[];
  /** Says where the damage begins; undefined if the stream is intact. */
  readonly damage?: string;
}

/** A damaged event hides neither earlier events nor other tasks. */
export function readUpToDamage(reader: EventReader, stream: string): ReadableEvents {
  try {
    return { events: [...reader.readStream(stream)] };
  } catch (thrown) {
    if (!(thrown instanceof DriverError) || thrown.code !== "STORE_DAMAGED") throw thrown;
  }
  const events: StoredEvent[] = [];
  for (const bytes of reader.readRecords(stream)) {
    const read = readRecord(bytes);
    if (isDefect(read) || read.event.stream !== stream || read.event.seq !== events.length + 1) break;
    events.push(read.event);
  }
  return { events, damage: `after event ${events.length}, see replay --check` };
}
