/**
 * What if it had gone otherwise: a history with some of its events dropped,
 * changed or put in, folded by the machine. Nothing is stored. Pure.
 */
import { z } from "zod";
import { DriverError, messageOf } from "../errors.ts";
import { EVENT_SCHEMA_VERSION } from "../machines/events.ts";
import type { MachineVersion } from "../machines/machineVersion.ts";
import type { StoredEvent } from "../store/eventStore.ts";
import { History } from "./history.ts";
import { reasonOf } from "./reason.ts";

const data = z.record(z.string(), z.unknown());
/** Milliseconds since the epoch. */
const time = z.number();

/** Numbers are those of the recorded events, from 1, whatever else is edited. */
const editSchema = z.union([
  z.strictObject({ drop: z.int().positive() }),
  /** The fields of `data` that are given take the place of the recorded ones. */
  z.strictObject({ change: z.int().positive(), time: time.optional(), data: data.optional() }),
  /** Behind the event of that number; 0: before the first. Without a time it has that of the event before it. */
  z.strictObject({ insert: z.int().nonnegative(), type: z.string(), time: time.optional(), data }),
]);

const editsSchema = z.array(editSchema).min(1);
export type Edit = z.infer<typeof editSchema>;

/** An event of an edited history. */
export interface Source {
  /** Number of the recorded event; undefined for one that was put in. */
  readonly recorded: number | undefined;
  readonly edited: boolean;
}

export interface WhatIf {
  /** The edited history. What was recorded with events is still there, to be compared with. */
  readonly history: History;
  /** Where each event of it comes from; index: its number - 1. */
  readonly sources: readonly Source[];
  /** Number, in the edited history, of the first event that is not as it was recorded there. */
  readonly fork: number;
}

/**
 * What the machine of a history would do if some of its events were others.
 * @param edits carried out together; several behind one event in their order
 * @throws DriverError `EDITS_INVALID` where an edit names no event, or makes one that the machine cannot take
 */
export function whatIf({ stream, events, machine }: History, edits: readonly Edit[]): WhatIf {
  for (const edit of edits) requireEvent(edit, events.length);
  const sources: Source[] = [];
  const edited: StoredEvent[] = [];
  const take = (event: StoredEvent, source: Source) => {
    edited.push({ ...event, stream, seq: edited.length + 1 });
    sources.push(source);
  };
  const insertBehind = (recorded: number) => {
    for (const edit of edits) {
      if (!("insert" in edit) || edit.insert !== recorded) continue;
      const before = edited.at(-1)?.time ?? events[0]?.time ?? 0;
      take(readable(inserted(edit, before), edit, machine), { recorded: undefined, edited: true });
    }
  };
  insertBehind(0);
  for (const event of events) {
    const changes = edits.filter((edit) => "change" in edit && edit.change === event.seq);
    const dropped = edits.some((edit) => "drop" in edit && edit.drop === event.seq);
    const changed = changes.reduce((before, edit) => readable(change(before, edit), edit, machine), event);
    if (!dropped) take(changed, { recorded: event.seq, edited: changes.length > 0 });
    insertBehind(event.seq);
  }
  const fork = sources.findIndex(({ recorded, edited: touched }, index) => touched || recorded !== index + 1);
  return {
    history: new History(stream, edited, machine),
    sources,
    fork: fork === -1 ? edited.length + 1 : fork + 1,
  };
}

/**
 * Reads a file of edits: a JSON list.
 * @throws DriverError `EDITS_INVALID` naming each wrong entry
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
    throw new DriverError("EDITS_INVALID", `the edits are wrong:\n${indented(z.prettifyError(error))}`);
  return edits;
}

function requireEvent(edit: Edit, count: number): void {
  const seq = "drop" in edit ? edit.drop : "change" in edit ? edit.change : edit.insert;
  if (seq <= count) return;
  throw new DriverError("EDITS_INVALID", `${shown(edit)}: the last event is number ${count}`);
}

function inserted(edit: Extract<Edit, { insert: number }>, before: number): StoredEvent {
  const { type, data: told, time: at = before } = edit;
  const nowhere = { stream: "", seq: 0, position: 0, hash: "" };
  return {
    ...nowhere,
    type,
    schema: EVENT_SCHEMA_VERSION,
    time: at,
    data: told,
    from: "",
    to: "",
    effects: [],
  };
}

function change(event: StoredEvent, edit: Edit): StoredEvent {
  if (!("change" in edit)) return event;
  return { ...event, time: edit.time ?? event.time, data: { ...(event.data as object), ...edit.data } };
}

/** The event, if the machine can take it and knows all that the edit tells. */
function readable(event: StoredEvent, edit: Edit, machine: MachineVersion): StoredEvent {
  let known: object;
  try {
    known = machine.readEvent(event).data;
  } catch (thrown) {
    throw new DriverError("EDITS_INVALID", `${shown(edit)} makes no event:\n${indented(reasonOf(thrown))}`);
  }
  const told = "drop" in edit ? {} : (edit.data ?? {});
  const strange = Object.keys(told).filter((field) => !(field in known));
  if (strange.length === 0) return event;
  const fields = Object.keys(known).join(", ") || "none";
  throw new DriverError("EDITS_INVALID", `${shown(edit)}: the event has no ${strange.join(", ")}`, {
    hint: `Its fields are: ${fields}`,
  });
}

function shown(edit: Edit): string {
  return JSON.stringify(edit);
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
