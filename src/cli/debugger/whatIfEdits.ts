/** What-if edits at the current moment. Each edit refers to the recorded history. Pure. */
import { DriverError } from "../../base/errors.ts";
import { parseJsonOrNothing } from "../../base/json.ts";
import { isOfType, nextMoment } from "../../history/replay/search.ts";
import { type Edit, whatIf } from "../../history/replay/whatIf.ts";
import { type DebuggerState, notified, refused } from "./debuggerState.ts";
import { goTo } from "./moves.ts";

type Insertion = Extract<Edit, { insert: number }>;

/** Drops the current event. */
export function dropCurrent(state: DebuggerState): DebuggerState {
  const { edits, at } = state;
  if (at === 0) return refused(state, "there is no event to drop");
  const inserted = insertionAt(state);
  if (inserted !== undefined)
    return edit(
      state,
      edits.filter((each) => each !== inserted),
    );
  const recorded = recordedSeq(state);
  const others = edits.filter((each) => !("change" in each && each.change === recorded));
  return edit(state, [...others, { drop: recorded }]);
}

/**
 * Changes data of the current event.
 * @param fields `name=value …`, or a JSON object
 * @throws DriverError `EDITS_INVALID`
 */
export function changeCurrent(state: DebuggerState, fields: string): DebuggerState {
  const data = fieldsIn(fields);
  if (state.at === 0) return refused(state, "there is no event to change");
  const inserted = insertionAt(state);
  if (inserted === undefined) return edit(state, [...state.edits, { change: recordedSeq(state), data }]);
  const changed = { ...inserted, data: { ...inserted.data, ...data } };
  return edit(
    state,
    state.edits.map((each) => (each === inserted ? changed : each)),
  );
}

/**
 * Inserts an event after the current one.
 * @param text the new event's type, then fields; missing fields are copied from the first recorded event
 *   of that type, if there is one
 * @throws DriverError `EDITS_INVALID`
 */
export function insertAfter(state: DebuggerState, text: string): DebuggerState {
  const [, type = "", fields = ""] = /^(\S*)\s*(.*)$/s.exec(text.trim()) ?? [];
  if (type === "") throw new DriverError("EDITS_INVALID", "name the type of the event to insert");
  const template = nextMoment(state.recorded, 0, isOfType(type))?.stored.data;
  const data = { ...(template as object | undefined), ...(fields === "" ? {} : fieldsIn(fields)) };
  const before = insertionAt(state);
  const insertion: Insertion = { insert: before?.insert ?? recordedSeq(state), type, data };
  // Insertions after the same event keep the order of the edits.
  const place = before === undefined ? 0 : state.edits.indexOf(before) + 1;
  const forked = edit(state, state.edits.toSpliced(place, 0, insertion));
  return { ...goTo(forked, state.at + 1), notice: forked.notice };
}

/** Undoes the last edit, or all edits. */
export function undoEdits(state: DebuggerState, all: boolean): DebuggerState {
  const { earlierEdits } = state;
  if (earlierEdits.length === 0) return refused(state, "nothing is edited");
  const earlier = all ? [] : earlierEdits.slice(0, -1);
  return withEdits({ ...state, earlierEdits: earlier }, all ? [] : (earlierEdits.at(-1) ?? []));
}

function edit(state: DebuggerState, edits: readonly Edit[]): DebuggerState {
  return withEdits({ ...state, earlierEdits: [...state.earlierEdits, state.edits] }, edits);
}

/** Applies edits, and stays as close as possible to the current event. @throws DriverError `EDITS_INVALID` */
export function withEdits(state: DebuggerState, edits: readonly Edit[]): DebuggerState {
  const { recorded } = state;
  const fork = edits.length === 0 ? undefined : whatIf(recorded, edits);
  const { page } = state;
  const next = { ...goTo({ ...state, edits, fork }, state.at), page };
  if (fork === undefined) return notified(next, "as it was recorded");
  const [now, then] = [fork.history, recorded].map((each) => each.finalState.value);
  const end = now === then ? `still ends in ${now}` : `ends in ${now} instead of ${then}`;
  return notified(next, `what if: the task ${end}`);
}

/** Parses fields: a JSON object, or `name=value …`, where a value is JSON or else text. */
function fieldsIn(text: string): Record<string, unknown> {
  if (text.startsWith("{")) {
    const parsed = parseJsonOrNothing(text);
    if (typeof parsed === "object" && parsed !== null) return parsed as Record<string, unknown>;
    throw new DriverError("EDITS_INVALID", `${text} is not a JSON object`);
  }
  const pair = /\s*([\w-]+)=("(?:[^"\\]|\\.)*"|\S+)/sy;
  const fields: Record<string, unknown> = {};
  for (let found = pair.exec(text); found !== null; found = pair.exec(text)) {
    const [, name = "", value = ""] = found;
    fields[name] = parseJsonOrNothing(value) ?? (value === "null" ? null : value);
    if (pair.lastIndex === text.trimEnd().length) return fields;
  }
  throw new DriverError("EDITS_INVALID", "fields are written name=value, such as exitCode=1", {
    hint: "Write a value with spaces in double quotes",
  });
}

/**
 * Number of the current event in the recorded history. For an inserted event, the number of the recorded
 * event before it, or 0 if it comes first.
 */
function recordedSeq({ at, fork }: DebuggerState): number {
  if (fork === undefined) return at;
  return fork.sources.slice(0, at).findLast(({ recorded }) => recorded !== undefined)?.recorded ?? 0;
}

/** The edit that inserted the current event. */
function insertionAt({ at, fork, edits }: DebuggerState): Insertion | undefined {
  if (fork === undefined || fork.sources[at - 1]?.recorded !== undefined) return undefined;
  const insertions = edits.filter((each) => "insert" in each).toSorted((a, b) => a.insert - b.insert);
  return insertions[fork.sources.slice(0, at).filter(({ recorded }) => recorded === undefined).length - 1];
}
