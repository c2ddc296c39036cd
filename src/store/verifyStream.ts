/** Verifies that a stream has exactly the events that were stored, in order. Pure. */
import { type EventRecord, isDefect, NO_HASH, type RecordDefect } from "./eventRecord.ts";
import type { StreamHead } from "./eventStore.ts";

/** The first defect of a stream. */
export interface StreamDefect {
  /** Sequence number that was expected where the defect was found. */
  readonly seq: number;
  /**
   * `format`, `hash`, `data`: the event's own bytes have changed. `stream`: the
   * event belongs to another stream. `sequence`: its number is not `seq`. `chain`:
   * it does not refer to the previous event. `end`: the stream does not end where
   * its head says. `index`: the log's index lacks some of the stream's events.
   */
  readonly kind: RecordDefect["kind"] | "stream" | "sequence" | "chain" | "end" | "index";
  readonly expected: string;
  readonly found: string;
}

/** Checks the records of a stream one after another, beginning with the first. */
export class StreamVerifier {
  readonly #head: StreamHead;
  #seq = 0;
  #hash = NO_HASH;

  /** @param head the stream's entry in the log (`streams`) */
  constructor(head: StreamHead) {
    this.#head = head;
  }

  /** What is wrong with the next record; undefined if it is the expected one. */
  next(read: EventRecord | RecordDefect): StreamDefect | undefined {
    this.#seq += 1;
    const seq = this.#seq;
    if (isDefect(read)) return { seq, ...read };
    const { event, previousHash } = read;
    if (event.stream !== this.#head.stream) return defect(seq, "stream", this.#head.stream, event.stream);
    if (event.seq !== seq) return defect(seq, "sequence", String(seq), String(event.seq));
    if (previousHash !== this.#hash) return defect(seq, "chain", this.#hash, previousHash);
    this.#hash = event.hash;
    return undefined;
  }

  /** Checks the stream's end. To be called after the last record. */
  end(): StreamDefect | undefined {
    const { version, hash } = this.#head;
    if (this.#seq !== version) return defect(this.#seq + 1, "end", String(version), String(this.#seq));
    if (this.#hash !== hash) return defect(this.#seq, "end", hash, this.#hash);
    return undefined;
  }
}

function defect(seq: number, kind: StreamDefect["kind"], expected: string, found: string): StreamDefect {
  return { seq, kind, expected, found };
}
