/**
 * Masks possible secrets in events: arguments of commands, into which Nomad
 * interpolates variables, and the same arguments in the launch plan. Events hold no
 * values of the environment. Code that shows or exports events must use this file,
 * unless a person requested the arguments. Pure.
 */
import { mapTexts } from "../../base/mapTexts.ts";
import { type EventTraits, MASK } from "../../machines/events/defineEvent.ts";
import { traitsOf } from "../../machines/events.ts";
import type { StoredEvent } from "../../store/eventStore.ts";

/** Returns the masking that every view must apply to an event before it shows the event. */
export function shownEvent(showArgs: boolean): <T extends Pick<StoredEvent, "type" | "data">>(event: T) => T {
  return showArgs ? (event) => event : maskEvent;
}

/**
 * Masks possible secrets. Returns the same object if there is nothing to mask, so
 * masking twice changes nothing. Texts of unknown events, and of unknown fields of
 * known events, are all masked.
 */
export function maskEvent<T extends Pick<StoredEvent, "type" | "data">>(event: T): T {
  const traits = traitsOf(event.type);
  const data = isObject(event.data) && traits ? maskFields(event.data, traits) : maskAll(event.data);
  return data === event.data || isSame(data, event.data) ? event : { ...event, data };
}

/** Returns the same object if nothing is masked. Most events have no masked field, so they need no copy. */
function maskFields(data: Record<string, unknown>, { schema, fields }: EventTraits): unknown {
  const unknown = Object.keys(data).filter((name) => !Object.hasOwn(schema.shape, name));
  const masked = Object.entries(fields.masked).reduce<unknown>(
    (left, [path, masking]) => changedAt(left, path.split("."), masking === "text" ? maskAll : maskPlan),
    data,
  );
  return unknown.reduce((left, name) => changedAt(left, [name], maskAll), masked);
}

/**
 * Changes the value at a path; in a list, of each entry. Returns the same object if nothing changes. A value
 * that should hold the rest of the path, and does not have its form, is changed as a whole.
 */
function changedAt(
  value: unknown,
  [name, ...rest]: readonly string[],
  change: (value: unknown) => unknown,
): unknown {
  if (name !== undefined && Array.isArray(value)) {
    const all = value.map((each) => changedAt(each, [name, ...rest], change));
    return isSame(all, value) ? value : all;
  }
  if (name === undefined || !isObject(value)) return change(value);
  if (!Object.hasOwn(value, name)) return value;
  const changed = changedAt(value[name], rest, change);
  return isSame(changed, value[name]) ? value : { ...value, [name]: changed };
}

function maskAll(value: unknown): unknown {
  return mapTexts(value, () => MASK);
}

function maskPlan(value: unknown): unknown {
  return mapTexts(value, maskPlanStep);
}

/**
 * Masks lists of quoted words, `["sh", "-c", "…"]`, in a line of a launch plan.
 * Quotes in a word are escaped, so a word cannot end its list.
 */
export function maskPlanStep(line: string): string {
  return line.replaceAll(/\["(?:[^"\\]|\\.)*"(?:, "(?:[^"\\]|\\.)*")*\]/gs, `[${MASK}]`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
