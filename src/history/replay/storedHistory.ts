/** Reads a task's events, with placeholders for damaged ones. Pure. */
import { isDefect, readRecord } from "../../store/eventRecord.ts";
import type { EventReader, StoredEvent } from "../../store/eventStore.ts";

/** The type of the placeholder for a damaged event. */
const DAMAGED = "damaged";

export function isDamaged({ type }: Pick<StoredEvent, "type">): boolean {
  return type === DAMAGED;
}

/** The description of a damaged event, for people. */
export function describeDamage(stream: string, seq: number): string {
  return `event ${seq} of ${stream} is not as it was stored`;
}

/**
 * Events of one stream, in order and without gaps, from sequence number `from` on. A
 * placeholder without data takes the place of a damaged event. The placeholder has the
 * fields of the damaged event's header. If the header is damaged, too, the placeholder
 * takes its states from the neighbouring events, and its time from the event before.
 *
 * @param limit maximum number of events
 */
export function readHistory(
  reader: EventReader,
  stream: string,
  from = 1,
  limit = Number.POSITIVE_INFINITY,
): StoredEvent[] {
  const version = Math.min(reader.version(stream), from + limit - 1);
  const events: (StoredEvent | undefined)[] = [];
  for (const bytes of reader.readRecords(stream, from)) {
    if (from + events.length > version) break;
    events.push(eventAt(bytes, stream, from + events.length));
  }
  // A stream without a head was pruned meanwhile.
  const isThere = reader.version(stream) > 0;
  while (isThere && from + events.length <= version) events.push(undefined);
  const history = filled(events, stream, from);
  for (const event of history) {
    if (isDamaged(event)) reader.noteDamage(describeDamage(stream, event.seq));
  }
  return history;
}

function eventAt(bytes: Buffer, stream: string, seq: number): StoredEvent | undefined {
  const read = readRecord(bytes);
  const event = isDefect(read) ? damagedOf(read.header) : read.event;
  return event?.stream === stream && event.seq === seq ? event : undefined;
}

function damagedOf(header: Omit<StoredEvent, "data"> | undefined): StoredEvent | undefined {
  return header && { ...header, type: DAMAGED, data: {} };
}

/** Puts placeholders in the places of damaged events. */
function filled(events: readonly (StoredEvent | undefined)[], stream: string, from: number): StoredEvent[] {
  const next: (StoredEvent | undefined)[] = [];
  for (let index = events.length - 1; index >= 0; index--) {
    next[index] = events[index + 1] ?? next[index + 1];
  }
  let before: StoredEvent | undefined;
  return events.map((event, index) => {
    const after = next[index];
    const state = before?.to ?? after?.from ?? "";
    before = event ?? {
      ...{ stream, seq: from + index, position: before?.position ?? 0, type: DAMAGED, schema: 0 },
      ...{ time: before?.time ?? after?.time ?? 0, data: {}, from: state, to: after?.from ?? state },
      ...{ effects: [], hash: "" },
    };
    return before;
  });
}
