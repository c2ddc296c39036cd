/** A task's CPU and memory so far, as two lines of bars. Pure. */
import type { UsageSpan } from "../../../history/why/usage.ts";
import { formatDuration } from "../../../units/durations.ts";
import { formatBytes } from "../../../units/sizes.ts";
import { beginningOf } from "../../../units/widths.ts";
import { cpuText } from "../../tasks/taskListing.ts";
import type { TaskRow } from "../../tasks/taskRow.ts";
import type { Style } from "../../terminal/style.ts";

/** Usage of a span of time. */
export type UsagePoint = Pick<UsageSpan, "time" | "spanMs" | "cores" | "memoryBytes">;

const bars = [..."▁▂▃▄▅▆▇█"];
/** The bars take no more cells than this, so that the figures are near them. */
const maxBars = 60;

/**
 * @param points in chronological order, at least one
 * @param columns the lines are no wider
 */
export function usageLines(
  points: readonly UsagePoint[],
  { memoryLimitBytes }: Pick<TaskRow, "memoryLimitBytes">,
  columns: number,
  style: Style,
): string[] {
  const cpu = points.map(({ cores, ...point }) => ({ ...point, value: cores === null ? null : cores * 100 }));
  const memory = points.map(({ memoryBytes, ...point }) => ({ ...point, value: memoryBytes }));
  const limit = memoryLimitBytes === null ? "" : `, limit ${formatBytes(memoryLimitBytes)}`;
  return [
    lineOf("CPU", cpu, cpuText, "", columns, style),
    lineOf("memory", memory, formatBytes, limit, columns, style),
  ];
}

interface Point extends Pick<UsagePoint, "time" | "spanMs"> {
  readonly value: number | null;
}

function lineOf(
  name: string,
  points: readonly Point[],
  format: (value: number) => string,
  more: string,
  columns: number,
  style: Style,
): string {
  const known = points.flatMap(({ value }) => value ?? []);
  const [from, to] = [beginOf(points[0]), points.at(-1)?.time ?? 0];
  const most = known.length === 0 ? "?" : format(Math.max(...known));
  const text = `most ${most} in ${formatDuration(Math.max(1, to - from))}${more}`;
  const label = `  ${name.padEnd(7)}`;
  const room = Math.min(maxBars, columns - label.length - text.length - 1);
  if (room < bars.length) return beginningOf(label + text, columns);
  return `${label}${style.cyan(barsOf(points, room))} ${text}`;
}

function beginOf(point: Point | undefined): number {
  return point === undefined ? 0 : point.time - point.spanMs;
}

/** Bars from left to right, each as high as the most that was used in its part of the time; blank if unknown. */
function barsOf(points: readonly Point[], count: number): string {
  const [from, to] = [beginOf(points[0]), points.at(-1)?.time ?? 0];
  const step = Math.max(1, to - from) / count;
  const heights: (number | undefined)[] = Array.from({ length: count }, () => undefined);
  for (const point of points) {
    if (point.value === null) continue;
    const first = Math.max(0, Math.floor((beginOf(point) - from) / step));
    const last = Math.min(count - 1, Math.max(first, Math.ceil((point.time - from) / step) - 1));
    for (let at = first; at <= last; at++) heights[at] = Math.max(heights[at] ?? 0, point.value);
  }
  const most = Math.max(...heights.map((height) => height ?? 0));
  return heights
    .map((height) => {
      if (height === undefined) return " ";
      return bars[most === 0 ? 0 : Math.min(bars.length - 1, Math.floor((height / most) * bars.length))];
    })
    .join("");
}
