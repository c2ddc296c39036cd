/**
 * What-if histories: a recorded history with events dropped, changed or inserted,
 * folded by the machine. Nothing is stored. Pure.
 */
import { z } from "zod";
import { DriverError, messageOf } from "../../base/errors.ts";
import { EVENT_SCHEMA_VERSION } from "../../machines/events.ts";
import type { MachineVersion } from "../../machines/machineVersion.ts";
import type { StoredEvent } from "../../store/eventStore.ts";
import { reasonOf } from "./check/streamCheck.ts";
import { History } from "./history.ts";

const data = z.record(z.string(), z.unknown());
/** Milliseconds since the epoch. */
const time = z.number();

/** Edits name events by their recorded numbers, from 1. Other edits do not shift these numbers. */
const editSchema = z.union([
  z.strictObject({ drop: z.int().positive() }),
  /** Fields of `data` replace the recorded ones; the others stay. */
  z.strictObject({ change: z.int().positive(), time: time.optional(), data: data.optional() }),
  /**
   * Inserts an event after the event with this number; 0 inserts it before the first event. The default time
   * is the previous event's time. For an event before the first, it is the first recorded event's time.
   */
  z.strictObject({ insert: z.int().nonnegative(), type: z.string(), time: time.optional(), data }),
]);

const editsSchema = z.array(editSchema).min(1);
export type Edit = z.infer<typeof editSchema>;

/** An event of an edited history. */
export interface Source {
  /** Number of the recorded event; undefined for an inserted one. */
  readonly recorded: number | undefined;
  readonly edited: boolean;
}

export interface WhatIf {
  /** The edited history. Its events keep their recorded states and effects, for comparison. */
  readonly history: History;
  /** The source of each event, at index number - 1. */
  readonly sources: readonly Source[];
  /**
   * Number, in the edited history, of the first event that differs from the recording. One more than the
   * history's length if only its end was dropped.
   */
  readonly fork: number;
}

/**
 * Folds an edited history with the machine of the recorded history.
 * @param edits applied together; several insertions after one event keep their order
 * @throws DriverError `EDITS_INVALID` that names the edits of events that do not exist, or the first one that
 *   makes an event that the machine cannot read
 */
export function whatIf({ stream, events, machine }: History, edits: readonly Edit[]): WhatIf {
  requireEvents(edits, events.length);
  const sources: Source[] = [];
  const edited: StoredEvent[] = [];
  const take = (event: StoredEvent, source: Source) => {
    edited.push({ ...event, stream, seq: edited.length + 1 });
    sources.push(source);
  };
  const insertAfter = (recorded: number) => {
    for (const edit of edits) {
      if (!("insert" in edit) || edit.insert !== recorded) continue;
      const before = edited.at(-1)?.time ?? events[0]?.time ?? 0;
      take(requireReadable(inserted(edit, before), edit, machine), { recorded: undefined, edited: true });
    }
  };
  insertAfter(0);
  for (const event of events) {
    const changes = edits.filter((edit) => "change" in edit && edit.change === event.seq);
    const dropped = edits.some((edit) => "drop" in edit && edit.drop === event.seq);
    const changed = changes.reduce(
      (before, edit) => requireReadable(change(before, edit), edit, machine),
      event,
    );
    if (!dropped) take(changed, { recorded: event.seq, edited: changes.length > 0 });
    insertAfter(event.seq);
  }
  const fork = sources.findIndex(({ recorded, edited: touched }, index) => touched || recorded !== index + 1);
  return {
    history: new History(stream, edited, machine),
    sources,
    fork: fork === -1 ? edited.length + 1 : fork + 1,
  };
}

/**
 * Parses a file of edits: a JSON list.
 * @throws DriverError `EDITS_INVALID` that names each invalid entry
 */
export function parseEdits(text: string): Edit[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (thrown) {
    throw new DriverError("EDITS_INVALID", `the edits are not JSON: ${messageOf(thrown)}`);
  }
  const { data: edits, error } = editsSchema.safeParse(parsed);
  if (edits === undefined)
    throw new DriverError("EDITS_INVALID", `the edits are wrong:\n${indented(problemsOf(error))}`);
  return edits;
}

/** The union of the entries' forms says only that its input is invalid. */
function problemsOf(error: z.ZodError): string {
  const entries = new Set(error.issues.map(({ path: [index] }) => index));
  const named = [...entries].filter((index) => typeof index === "number");
  if (named.length === 0) return z.prettifyError(error);
  return named
    .map((index) => `entry ${index + 1} is no drop, change or insert, or has other fields than it takes`)
    .join("\n");
}

function requireEvents(edits: readonly Edit[], count: number): void {
  const beyond = edits.filter((edit) => {
    const seq = "drop" in edit ? edit.drop : "change" in edit ? edit.change : edit.insert;
    return seq > count;
  });
  if (beyond.length === 0) return;
  throw new DriverError(
    "EDITS_INVALID",
    `${beyond.map(shown).join(", ")}: the last event is number ${count}`,
  );
}

function inserted(edit: Extract<Edit, { insert: number }>, before: number): StoredEvent {
  const { type, data: fields, time: at = before } = edit;
  const nowhere = { stream: "", seq: 0, position: 0, hash: "" };
  return {
    ...nowhere,
    type,
    schema: EVENT_SCHEMA_VERSION,
    time: at,
    data: fields,
    from: "",
    to: "",
    effects: [],
  };
}

function change(event: StoredEvent, edit: Edit): StoredEvent {
  if (!("change" in edit)) return event;
  return { ...event, time: edit.time ?? event.time, data: { ...(event.data as object), ...edit.data } };
}

/** @throws DriverError `EDITS_INVALID` if the machine cannot read the event, or does not know a field */
function requireReadable(event: StoredEvent, edit: Edit, machine: MachineVersion): StoredEvent {
  let known: object;
  try {
    known = machine.readEvent(event).data;
  } catch (thrown) {
    throw new DriverError(
      "EDITS_INVALID",
      `${shown(edit)} does not make a valid event:\n${indented(reasonOf(thrown))}`,
    );
  }
  const fields = "drop" in edit ? {} : (edit.data ?? {});
  const unknown = Object.keys(fields).filter((field) => !(field in known));
  if (unknown.length === 0) return event;
  const names = Object.keys(known).join(", ") || "none";
  throw new DriverError("EDITS_INVALID", `${shown(edit)}: the event has no ${unknown.join(", ")}`, {
    hint: `Its fields are: ${names}`,
  });
}

function shown(edit: Edit): string {
  return JSON.stringify(edit);
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
