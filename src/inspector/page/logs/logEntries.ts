/** The entries of a task's output: its lines, and events among them. Pure. */

import type { LaneRun, LaneStep } from "../../views/allocationView.ts";
import type { LogLine } from "../../views/lineTimes.ts";

/** An event of a run of the task. */
export interface LogEvent {
  /** The run's id. */
  readonly id: string;
  /** Number of the event; null if the page does not know it. */
  readonly seq: number | null;
  readonly time: number;
  readonly text: string;
  readonly bad: boolean;
}

export type LogEntry =
  | { readonly kind: "line"; readonly line: LogLine }
  /** `among` is the number of following lines that may have been written before the event. */
  | { readonly kind: "event"; readonly event: LogEvent; readonly among: number };

/**
 * Merges lines and events into one list, in chronological order as far as the times are known. An event is
 * placed before the first line that may have been written after it. Events before the first line are left
 * out, except at the log's beginning. Events after the last line are left out, except at the log's end.
 * @param events in chronological order
 */
export function mergeEvents(
  lines: readonly LogLine[],
  events: readonly LogEvent[],
  { isBegin, isEnd }: { readonly isBegin: boolean; readonly isEnd: boolean },
): LogEntry[] {
  const entries: LogEntry[] = [];
  const rest = [...events];
  const first = lines[0]?.before ?? Number.POSITIVE_INFINITY;
  while (!isBegin && (rest[0]?.time ?? first) < first) rest.shift();
  for (const [at, line] of lines.entries()) {
    for (let [event] = rest; event !== undefined && event.time < line.before; [event] = rest) {
      rest.shift();
      entries.push({ kind: "event", event, among: countEarlier(lines, at, event.time) });
    }
    entries.push({ kind: "line", line });
  }
  if (isEnd) for (const event of rest) entries.push({ kind: "event", event, among: 0 });
  return entries;
}

/** Number of lines, from an index on, that may have been written before a time. */
function countEarlier(lines: readonly LogLine[], from: number, time: number): number {
  let count = 0;
  while (from + count < lines.length) {
    const { after } = lines[from + count] as LogLine;
    if (after !== null && after >= time) break;
    count++;
  }
  return count;
}

/**
 * The events to show among the output: all events of the shown run, and the starts, states and outcomes of
 * the task's other runs.
 * @param id the shown run's id
 * @param runs all runs of the task
 */
export function logEvents(id: string, steps: readonly LaneStep[], runs: readonly LaneRun[]): LogEvent[] {
  const own = steps.map((step) => ({ id, ...step }));
  const others = runs.flatMap((run) => (run.id === id ? [] : eventsOf(run)));
  return [...own, ...others].sort((a, b) => a.time - b.time);
}

function eventsOf({ id, begunAt, overAt, outcome, periods }: LaneRun): LogEvent[] {
  const events = periods
    .filter(({ state }) => state === "running" || state === "stopping" || state === "killing")
    .map(({ state, from }) => ({ id, seq: null, time: from, text: `Another run: ${state}`, bad: false }));
  const begun = { id, seq: null, time: begunAt, text: "Another run: start requested", bad: false };
  const bad = outcome.tone === "bad";
  const over =
    overAt === null ? [] : [{ id, seq: null, time: overAt, text: `Another run: ${outcome.text}`, bad }];
  return [begun, ...events, ...over];
}
