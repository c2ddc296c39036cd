/** One run of a task as a lane draws it: the spans of its states, and what is marked in them. Pure. */
import type { EventTraits } from "../../../machines/events/defineEvent.ts";
import { isWrong, summarise, type TaskEvent, traitsOf } from "../../../machines/events.ts";
import { thisMachine } from "../../../machines/machineVersion.ts";
import { isOver } from "../../../machines/taskMachine.ts";
import { maskEvent } from "../../../replay/mask.ts";
import type { StoredEvent } from "../../../store/eventStore.ts";

/** All times are milliseconds since the epoch. */
export interface RunLane {
  /** Number of the last event that it has. */
  readonly events: number;
  readonly begunAt: number;
  /** Time of that event. */
  readonly lastAt: number;
  /** When it was over, by its events; null while it goes on. */
  readonly overAt: number | null;
  /** From the first event on without gaps. The last one has no end while the task goes on. */
  readonly periods: readonly LanePeriod[];
  /** What went wrong, and plugins that took the task over: the newest ones. */
  readonly marks: readonly LaneMark[];
  /** All that happened but commands, in words: the newest events. */
  readonly steps: readonly LaneStep[];
}

export interface LaneStep {
  readonly seq: number;
  readonly time: number;
  readonly text: string;
  readonly bad: boolean;
}

export interface LanePeriod {
  readonly state: string;
  readonly from: number;
  readonly to: number | null;
}

export interface LaneMark extends Omit<LaneStep, "bad"> {
  readonly kind: "error" | "warning" | "takeover";
}

/** A task that is taken over again and again has no more than these. */
const maxSteps = 256;
const maxMarks = 64;
const maxPeriods = 256;

/**
 * Adds events to a lane, so that those that it has need not be read again.
 * @param before undefined if `events` begins with the first one
 */
export function extendLane(before: RunLane | undefined, events: readonly StoredEvent[]): RunLane | undefined {
  const [first] = events;
  if (first === undefined) return before;
  const periods = [...(before?.periods ?? [])];
  const marks = [...(before?.marks ?? [])];
  const steps = [...(before?.steps ?? [])];
  let overAt = before?.overAt ?? null;
  // A clock that was set back must not turn a span around.
  let lastAt = before?.lastAt ?? first.time;
  for (const event of events) {
    const time = Math.max(lastAt, event.time);
    lastAt = time;
    const period = periods.at(-1);
    if (period === undefined || period.state !== event.to) {
      if (period?.to === null) periods[periods.length - 1] = { ...period, to: time };
      // A start that is sent again after it has failed begins anew.
      overAt = isOver(event.to) ? (overAt ?? time) : null;
      if (!isOver(event.to)) periods.push({ state: event.to, from: time, to: null });
    }
    const told = toldOf(event, time);
    if (told === undefined) continue;
    steps.push(told.step);
    if (told.kind !== undefined) marks.push({ seq: event.seq, time, text: told.step.text, kind: told.kind });
  }
  return {
    events: (before?.events ?? 0) + events.length,
    begunAt: before?.begunAt ?? first.time,
    lastAt,
    overAt,
    periods: periods.slice(-maxPeriods),
    marks: marks.slice(-maxMarks),
    steps: steps.slice(-maxSteps),
  };
}

interface Told {
  readonly step: LaneStep;
  /** Undefined if nothing marks it. */
  readonly kind: LaneMark["kind"] | undefined;
}

/** Undefined for commands: health checks are thousands of them, no errors of the task, and not read here. */
function toldOf(stored: StoredEvent, time: number): Told | undefined {
  const { seq, type, from } = stored;
  const traits = traitsOf(type);
  if (traits?.shown.category === "command") return undefined;
  const event = eventOf(stored);
  const bad = event === undefined || isWrong(event, from);
  const text =
    event === undefined ? `${type}: this version cannot read it` : `${traits?.title}: ${summarise(event)}`;
  return { step: { seq, time, text, bad }, kind: kindOf(traits, bad) };
}

function kindOf(traits: EventTraits | undefined, isError: boolean): LaneMark["kind"] | undefined {
  if (isError) return "error";
  if (traits?.shown.tone === "bad") return "warning";
  return traits?.shown.category === "takeover" ? "takeover" : undefined;
}

/** Undefined if this version cannot read it. */
function eventOf(stored: StoredEvent): TaskEvent | undefined {
  try {
    return thisMachine.readEvent(maskEvent(stored));
  } catch {
    return undefined;
  }
}
