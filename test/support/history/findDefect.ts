/** Reads streams up to their first defect. */
import { isDefect, readRecord } from "../../../src/store/eventRecord.ts";
import type { StoredEvent, StreamHead } from "../../../src/store/eventStore.ts";
import { type StreamDefect, StreamVerifier } from "../../../src/store/verifyStream.ts";

/**
 * Yields the events of a stream up to the first defect, and returns that defect,
 * or undefined if there is none.
 * @param records as they are stored (`readRecords`), from the stream's first event on
 */
export function* verifyStream(
  records: Iterable<Buffer>,
  head: StreamHead,
): Generator<StoredEvent, StreamDefect | undefined, undefined> {
  const verifier = new StreamVerifier(head);
  for (const bytes of records) {
    const read = readRecord(bytes);
    const found = verifier.next(read);
    if (found !== undefined || isDefect(read)) return found;
    yield read.event;
  }
  return verifier.end();
}

/** The first defect of a stream; undefined if there is none. */
export function findDefect(records: Iterable<Buffer>, head: StreamHead): StreamDefect | undefined {
  const verifying = verifyStream(records, head);
  for (;;) {
    const step = verifying.next();
    if (step.done) return step.value;
  }
}
