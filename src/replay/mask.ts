/**
 * What may be secret in an event, masked: arguments of commands, into which Nomad
 * interpolates variables, and what the launch plan shows of them. Values of the
 * environment are in no event. Whatever shows or hands out events does it by this
 * file, unless a person has asked to see arguments. Pure.
 */
import { type EventTraits, MASK } from "../machines/events/defineEvent.ts";
import { traitsOf } from "../machines/events.ts";
import type { StoredEvent } from "../store/eventStore.ts";

/** What every view does with an event before it shows anything of it. */
export function shownEvent(showArgs: boolean): <T extends Pick<StoredEvent, "type" | "data">>(event: T) => T {
  return showArgs ? (event) => event : maskEvent;
}

/**
 * The event without what may be secret; the same object where there is nothing to
 * mask. Masking twice changes nothing. Of an event that this version does not
 * know nothing is shown, and of one that it knows no field that it does not know.
 */
export function maskEvent<T extends Pick<StoredEvent, "type" | "data">>(event: T): T {
  const traits = traitsOf(event.type);
  const data = isObject(event.data) && traits ? maskFields(event.data, traits) : maskAll(event.data);
  return isSame(data, event.data) ? event : { ...event, data };
}

function maskFields(data: Record<string, unknown>, { schema, fields }: EventTraits): unknown {
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => {
      const masking = Object.hasOwn(schema.shape, name) ? fields.masked[name] : "text";
      if (masking === undefined) return [name, value];
      return [name, masking === "text" ? maskAll(value) : mapText(value, maskPlanStep)];
    }),
  );
}

function maskAll(value: unknown): unknown {
  return mapText(value, () => MASK);
}

/**
 * A line of a launch plan without its lists of quoted words, `["sh", "-c", "…"]`.
 * Quotes in a word are escaped, so a word cannot end its list.
 */
export function maskPlanStep(line: string): string {
  return line.replaceAll(/\["(?:[^"\\]|\\.)*"(?:, "(?:[^"\\]|\\.)*")*\]/gs, `[${MASK}]`);
}

/** The same data with every text in them replaced; their shape stays, so that they can still be folded. */
function mapText(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((each) => mapText(each, change));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, mapText(each, change)]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
