/** An allocation as the page shows it: its tasks, and each task's runs in one lane. Pure. */

import { maskEvent } from "../../history/replay/mask.ts";
import type { EventTraits } from "../../machines/events/defineEvent.ts";
import { isWrong, summarize, type TaskEvent, traitsOf } from "../../machines/events.ts";
import { thisMachine } from "../../machines/machineVersion.ts";
import { isOver } from "../../machines/taskMachine.ts";
import type { StoredEvent } from "../../store/eventStore.ts";
import type { Outcome } from "./outcome.ts";
import type { TaskSummary } from "./taskSummary.ts";

export interface AllocationView {
  readonly allocation: string;
  readonly job: string | null;
  readonly group: string | null;
  /** In the order in which they were first started. */
  readonly tasks: readonly TaskLane[];
}

export interface TaskLane {
  readonly task: string;
  /** The newest runs, oldest first. */
  readonly runs: readonly LaneRun[];
  /** Number of older runs that are left out. */
  readonly earlier: number;
}

export interface LaneRun {
  readonly id: string;
  readonly outcome: Outcome;
  readonly begunAt: number;
  readonly overAt: number | null;
  readonly periods: readonly LanePeriod[];
  readonly marks: readonly LaneMark[];
}

/** Maximum number of runs of a task on the page, for tasks that are restarted every minute for hours. */
const maxRuns = 500;

/** Groups runs by task. Tasks are in the order of their first start, and runs oldest first. */
function runsByTask(rows: readonly TaskSummary[]): Map<string, TaskSummary[]> {
  return Map.groupBy(
    rows.toSorted((a, b) => a.begunAt - b.begunAt),
    ({ task }) => task,
  );
}

/** The runs that the page shows: the newest ones of each task. */
export function shownRuns(rows: readonly TaskSummary[]): TaskSummary[] {
  return [...runsByTask(rows).values()].flatMap((all) => all.slice(-maxRuns));
}

/**
 * @param rows of the allocation's tasks, one for each run
 * @param laneOf undefined for a run that was removed meanwhile
 */
export function allocationView(
  rows: readonly TaskSummary[],
  laneOf: (id: string) => RunLane | undefined,
): AllocationView | undefined {
  const [first] = rows;
  if (first === undefined) return undefined;
  return {
    allocation: first.allocation,
    job: rows.find(({ job }) => job !== null)?.job ?? null,
    group: rows.find(({ group }) => group !== null)?.group ?? null,
    tasks: Array.from(runsByTask(rows), ([task, all]) => ({
      task,
      runs: all.slice(-maxRuns).flatMap((row) => runOf(row, laneOf(row.id))),
      earlier: Math.max(0, all.length - maxRuns),
    })),
  };
}

function runOf({ id, outcome }: TaskSummary, lane: RunLane | undefined): LaneRun[] {
  if (lane === undefined) return [];
  const { begunAt, overAt, periods, marks } = lane;
  return [{ id, outcome, begunAt, overAt, periods, marks }];
}

/**
 * A run, read from its events: the periods of its states, marks, and steps. Times are milliseconds since the
 * epoch.
 */
export interface RunLane {
  /** Number of events that the lane covers. */
  readonly events: number;
  readonly begunAt: number;
  /** Time of the last event. */
  readonly lastAt: number;
  /** Time of the run's end according to its events; null while the run is not over. */
  readonly overAt: number | null;
  /**
   * The periods follow each other without gaps from the first event on. The last one has no end while the
   * task is not over.
   */
  readonly periods: readonly LanePeriod[];
  /** The newest marks: errors, warnings, and takeovers by other plugin processes. */
  readonly marks: readonly LaneMark[];
  /** The newest events in words, except events of commands. */
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

/** Maximum numbers of steps, marks and periods, for tasks with very many events. */
const maxSteps = 256;
const maxMarks = 64;
const maxPeriods = 256;

/**
 * Adds events to a lane, so that its earlier events need not be read again.
 * @param before the lane so far; undefined if `events` begins with the first event
 */
export function extendLane(before: RunLane | undefined, events: readonly StoredEvent[]): RunLane | undefined {
  const [first] = events;
  if (first === undefined) return before;
  const periods = [...(before?.periods ?? [])];
  const marks = [...(before?.marks ?? [])];
  const steps = [...(before?.steps ?? [])];
  let overAt = before?.overAt ?? null;
  // If the clock was set back, an event gets the time of the event before it. So no period has a negative
  // length.
  let lastAt = before?.lastAt ?? first.time;
  for (const event of events) {
    const time = Math.max(lastAt, event.time);
    lastAt = time;
    const period = periods.at(-1);
    if (period === undefined || period.state !== event.to) {
      if (period?.to === null) periods[periods.length - 1] = { ...period, to: time };
      // If a failed start is requested again, the run is not over any more.
      overAt = isOver(event.to) ? (overAt ?? time) : null;
      if (!isOver(event.to)) periods.push({ state: event.to, from: time, to: null });
    }
    const entry = entryOf(event, time);
    if (entry === undefined) continue;
    steps.push(entry.step);
    if (entry.kind !== undefined)
      marks.push({ seq: event.seq, time, text: entry.step.text, kind: entry.kind });
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

interface LaneEntry {
  readonly step: LaneStep;
  /** The kind of the event's mark; undefined if the event has no mark. */
  readonly kind: LaneMark["kind"] | undefined;
}

/**
 * Describes an event. Undefined for events of commands: health checks run thousands of commands, and a failed
 * command is not an error of the task.
 */
function entryOf(stored: StoredEvent, time: number): LaneEntry | undefined {
  const { seq, type, from } = stored;
  const traits = traitsOf(type);
  if (traits?.shown.category === "command") return undefined;
  const event = eventOf(stored);
  const bad = event === undefined || isWrong(event, from);
  const text =
    event === undefined ? `${type}: this version cannot read it` : `${traits?.title}: ${summarize(event)}`;
  return { step: { seq, time, text, bad }, kind: kindOf(traits, bad) };
}

function kindOf(traits: EventTraits | undefined, isError: boolean): LaneMark["kind"] | undefined {
  if (isError) return "error";
  if (traits?.shown.tone === "bad") return "warning";
  return traits?.shown.category === "takeover" ? "takeover" : undefined;
}

/** Undefined if this version cannot read the event. */
function eventOf(stored: StoredEvent): TaskEvent | undefined {
  try {
    return thisMachine.readEvent(maskEvent(stored));
  } catch {
    return undefined;
  }
}
