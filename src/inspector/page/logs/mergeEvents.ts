/** Lines of a log and events of a task as one list, in the order of time as far as it is known. Pure. */
import type { LogLine } from "../../views/logs/lineTimes.ts";

/** An event of a run of the task. */
export interface LogEvent {
  /** The run's id. */
  readonly id: string;
  /** Its number; null if the page does not know it. */
  readonly seq: number | null;
  readonly time: number;
  readonly text: string;
  readonly bad: boolean;
}

export type LogEntry =
  | { readonly kind: "line"; readonly line: LogLine }
  /** @param among so many of the lines below it may have been written before it */
  | { readonly kind: "event"; readonly event: LogEvent; readonly among: number };

/**
 * An event stands before the first line that may have been written after it. Those of before the first line and
 * after the last one are left out, unless the list goes on there to the log's own begin or end.
 * @param events in the order of time
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

/** How many lines from there on may have been written before a time. */
function countEarlier(lines: readonly LogLine[], from: number, time: number): number {
  let count = 0;
  while (from + count < lines.length) {
    const { after } = lines[from + count] as LogLine;
    if (after !== null && after >= time) break;
    count++;
  }
  return count;
}
