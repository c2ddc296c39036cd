/** Whether the events of a stream are those that were stored, all of them, and in their order. Pure. */
import { isDefect, NO_HASH, type RecordDefect, readRecord } from "./eventRecord.ts";
import type { StoredEvent, StreamHead } from "./eventStore.ts";

/** The first thing that is wrong with a stream. */
export interface StreamDefect {
  /** Number of the event it was found at: that of the one expected there. */
  readonly seq: number;
  /**
   * `format`, `hash`, `data`: the event's own bytes are not what was stored.
   * `stream`: it belongs to another one. `sequence`: it has another number.
   * `chain`: it does not refer to the event before it. `end`: the stream does
   * not end where its head says.
   */
  readonly kind: RecordDefect["kind"] | "stream" | "sequence" | "chain" | "end";
  readonly expected: string;
  readonly found: string;
}

/**
 * Yields the events of a stream as long as they are in order; returns the first
 * defect, or undefined where there is none.
 * @param records as they are stored (`readRecords`), from the stream's first event on
 * @param head what the log says of the stream (`streams`)
 */
export function* verifyStream(
  records: Iterable<Buffer>,
  head: StreamHead,
): Generator<StoredEvent, StreamDefect | undefined, undefined> {
  let seq = 0;
  let hash = NO_HASH;
  for (const bytes of records) {
    seq += 1;
    const read = readRecord(bytes);
    if (isDefect(read)) return { seq, ...read };
    const { event, previousHash } = read;
    if (event.stream !== head.stream) return defect(seq, "stream", head.stream, event.stream);
    if (event.seq !== seq) return defect(seq, "sequence", String(seq), String(event.seq));
    if (previousHash !== hash) return defect(seq, "chain", hash, previousHash);
    yield event;
    hash = event.hash;
  }
  if (seq !== head.version) return defect(seq + 1, "end", String(head.version), String(seq));
  if (hash !== head.hash) return defect(seq, "end", head.hash, hash);
  return undefined;
}

/** The same for whom only the defect matters. */
export function findDefect(records: Iterable<Buffer>, head: StreamHead): StreamDefect | undefined {
  const verifying = verifyStream(records, head);
  for (;;) {
    const step = verifying.next();
    if (step.done) return step.value;
  }
}

function defect(seq: number, kind: StreamDefect["kind"], expected: string, found: string): StreamDefect {
  return { seq, kind, expected, found };
}
