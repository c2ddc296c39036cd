/**
 * The proof of one stream: that its events are those that were stored, all of
 * them and in order, and that a machine makes of each what was recorded. Pure.
 */
import type { MachineState, MachineStep, MachineVersion } from "../../machines/machineVersion.ts";
import { type EventRecord, isDefect, type RecordDefect, readRecord } from "../../store/eventRecord.ts";
import type { StoredEvent, StreamHead } from "../../store/eventStore.ts";
import { type StreamDefect, StreamVerifier } from "../../store/verifyStream.ts";
import { reasonOf } from "../reason.ts";

/** What a machine made of an event. */
export type Outcome = Pick<MachineStep, "from" | "to" | "effects" | "accepted">;

/** The first thing in a stream that is not as it should be. */
export type Finding =
  /** The log was changed, or is not whole: nothing after it in this stream is proven. */
  | { readonly kind: "damage"; readonly stream: string; readonly seq: number; readonly defect: StreamDefect }
  /** The machine goes another way than the recorded one. */
  | {
      readonly kind: "divergence";
      readonly stream: string;
      readonly seq: number;
      readonly event: StoredEvent;
      readonly now: Outcome;
    }
  /** The machine does not take the event: of a newer schema, of an unknown type, or not as its schema says. */
  | {
      readonly kind: "unreadable";
      readonly stream: string;
      readonly seq: number;
      readonly event: StoredEvent;
      readonly reason: string;
    };

export class StreamCheck {
  readonly #machine: MachineVersion;
  readonly #verifier: StreamVerifier;
  #state: MachineState;

  constructor(head: StreamHead, machine: MachineVersion) {
    this.#machine = machine;
    this.#verifier = new StreamVerifier(head);
    this.#state = machine.initialSnapshot;
  }

  /** @returns what is wrong with the next record; nothing may be asked of this check afterwards */
  next(stream: string, read: EventRecord | RecordDefect): Finding | undefined {
    const defect = this.#verifier.next(read);
    if (defect !== undefined || isDefect(read)) return defect && damage(stream, defect);
    const { event } = read;
    const { seq } = event;
    let taken: MachineStep;
    try {
      taken = this.#machine.step(this.#state, this.#machine.readEvent(event));
    } catch (thrown) {
      return { kind: "unreadable", stream, seq, event, reason: reasonOf(thrown) };
    }
    this.#state = taken.snapshot;
    return isAsRecorded(event, taken) ? undefined : { kind: "divergence", stream, seq, event, now: taken };
  }

  /** What is wrong where no more records come. */
  end(stream: string): Finding | undefined {
    const defect = this.#verifier.end();
    return defect && damage(stream, defect);
  }
}

/**
 * Checks a stream by itself.
 * @param records as they are stored, from the stream's first event on
 */
export function checkStream(
  records: Iterable<Buffer>,
  head: StreamHead,
  machine: MachineVersion,
): Finding | undefined {
  const check = new StreamCheck(head, machine);
  for (const bytes of records) {
    const finding = check.next(head.stream, readRecord(bytes));
    if (finding !== undefined) return finding;
  }
  return check.end(head.stream);
}

/** Whether a machine makes of an event what was recorded with it. Refused events are never recorded. */
export function isAsRecorded(event: StoredEvent, { from, to, effects, accepted }: Outcome): boolean {
  return (
    accepted &&
    from === event.from &&
    to === event.to &&
    effects.length === event.effects.length &&
    effects.every((effect, index) => effect === event.effects[index])
  );
}

function damage(stream: string, defect: StreamDefect): Finding {
  return { kind: "damage", stream, seq: defect.seq, defect };
}
