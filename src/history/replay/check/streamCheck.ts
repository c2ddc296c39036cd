/**
 * Checks a stream: its events have to be complete, in order and unchanged, and a machine has to give the
 * recorded result for each. Pure.
 */

import { z } from "zod";
import { messageOf } from "../../../base/errors.ts";
import type { MachineState, MachineStep, MachineVersion } from "../../../machines/machineVersion.ts";
import { type EventRecord, isDefect, type RecordDefect, readRecord } from "../../../store/eventRecord.ts";
import type { StoredEvent, StreamHead } from "../../../store/eventStore.ts";
import { type StreamDefect, StreamVerifier } from "../../../store/verifyStream.ts";

/** The result of an event in a machine. */
export type Outcome = Pick<MachineStep, "from" | "to" | "effects" | "accepted">;

/** The first problem in a stream. */
export type Finding =
  /** The log was changed, or is incomplete. Nothing after the damage is verified in this stream. */
  | { readonly kind: "damage"; readonly stream: string; readonly seq: number; readonly defect: StreamDefect }
  /** The machine's result differs from the recorded one. */
  | {
      readonly kind: "divergence";
      readonly stream: string;
      readonly seq: number;
      readonly event: StoredEvent;
      readonly now: Outcome;
    }
  /** The machine cannot read the event: its schema is newer, its type unknown, or its data invalid. */
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

  /** @returns what is wrong with the next record; after a finding, the check cannot continue */
  next(stream: string, read: EventRecord | RecordDefect): Finding | undefined {
    const defect = this.#verifier.next(read);
    if (defect !== undefined || isDefect(read)) return defect && damage(stream, defect);
    const { event } = read;
    const { seq } = event;
    let step: MachineStep;
    try {
      step = this.#machine.step(this.#state, this.#machine.readEvent(event));
    } catch (thrown) {
      return { kind: "unreadable", stream, seq, event, reason: reasonOf(thrown) };
    }
    this.#state = step.snapshot;
    return isAsRecorded(event, step)
      ? undefined
      : { kind: "divergence", stream, seq, event, now: outcomeOf(step) };
  }

  /** Checks the stream's end, after the last record. @returns what is wrong with the end */
  end(stream: string): Finding | undefined {
    const defect = this.#verifier.end();
    return defect && damage(stream, defect);
  }
}

/**
 * Checks a single stream.
 * @param records as stored, from the stream's first event on
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

/** Leaves out the state's context, which has unmasked arguments. */
export function outcomeOf({ from, to, effects, accepted }: MachineStep): Outcome {
  return { from, to, effects, accepted };
}

/** Whether a machine's result is the recorded one. Refused events are never recorded. */
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

/**
 * The message of an error. For an error of zod: one line for each invalid field. Such an error is recognized
 * by its fields, because another version's machine may bring its own zod.
 */
export function reasonOf(thrown: unknown): string {
  const { issues } = (thrown ?? {}) as { readonly issues?: z.core.$ZodIssue[] };
  return Array.isArray(issues) ? z.prettifyError({ issues } as z.core.$ZodError) : messageOf(thrown);
}
