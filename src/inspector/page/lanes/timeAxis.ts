/** A linear time axis: the shown window, how it is zoomed and moved, and the ticks. Pure. */
import { formatClock, formatDay } from "../../../units/times.ts";

/** A span of time, in milliseconds since the epoch. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Minimum length of a window. The clock's resolution does not allow a shorter one. */
const minSpanMs = 20;

/** The position of a time as a share of the window: below 0 or above 1 if the time is outside the window. */
export function shareOf({ from, to }: Span, time: number): number {
  return (time - from) / (to - from);
}

export function timeAt({ from, to }: Span, share: number): number {
  return from + share * (to - from);
}

/** Limits a window: it gets at least the minimum length, and is moved inside the whole span. */
export function within(whole: Span, { from, to }: Span): Span {
  const length = Math.min(whole.to - whole.from, Math.max(minSpanMs, to - from));
  const middle = (from + to) / 2;
  const begin = Math.min(whole.to - length, Math.max(whole.from, middle - length / 2));
  return { from: begin, to: begin + length };
}

/**
 * @param factor below 1 shows a shorter span, above 1 a longer one
 * @param around the time that keeps its position
 */
export function zoomed(whole: Span, { from, to }: Span, factor: number, around = (from + to) / 2): Span {
  const length = Math.min(whole.to - whole.from, Math.max(minSpanMs, (to - from) * factor));
  const begin = around - shareOf({ from, to }, around) * length;
  return within(whole, { from: begin, to: begin + length });
}

/** @param shares distance, as a multiple of the window */
export function moved(whole: Span, { from, to }: Span, shares: number): Span {
  const distance = shares * (to - from);
  return within(whole, { from: from + distance, to: to + distance });
}

/** The window with one end moved to a time, but not beyond the other end. */
export function withEnd(whole: Span, window: Span, end: keyof Span, time: number): Span {
  const limited =
    end === "from" ? Math.min(window.to - minSpanMs, time) : Math.max(window.from + minSpanMs, time);
  return within(whole, { ...window, [end]: limited });
}

export interface Tick {
  readonly time: number;
  readonly label: string;
  /** Whether a day begins at the tick. Its label is then the day. */
  readonly day: boolean;
}

const [second, minute, hour, day] = [1_000, 60_000, 3_600_000, 86_400_000];
const steps = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * second),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * minute),
  ...[1, 2, 3, 6, 12].map((count) => count * hour),
  ...[1, 2, 7, 14, 30, 91, 182, 365, 1_826, 3_652, 36_525].map((count) => count * day),
];

/**
 * Ticks at round local times in the window.
 * @param most maximum number of ticks
 */
export function ticksOf({ from, to }: Span, most: number): Tick[] {
  const step = steps.find((each) => (to - from) / each <= Math.max(1, most)) ?? (steps.at(-1) as number);
  const ticks: Tick[] = [];
  for (let time = firstTick(from, step); time <= to; time = nextTick(time, step)) {
    const isDay = isMidnight(time);
    ticks.push({ time, label: isDay ? formatDay(time) : clockOf(time, step), day: isDay });
  }
  return ticks;
}

/** The first tick at or after `from`. Ticks are multiples of the step, counted from local midnight. */
function firstTick(from: number, step: number): number {
  const midnight = midnightOf(from);
  if (step >= day) return midnight >= from ? midnight : midnightAfter(midnight, 1);
  return midnight + Math.ceil((from - midnight) / step) * step;
}

function nextTick(time: number, step: number): number {
  if (step >= day) return midnightAfter(time, step / day);
  const next = time + step;
  // The steps start again at each midnight, because the clock may change during a day (summer time).
  const midnight = midnightOf(next);
  return midnight > time && midnight < next ? midnight : next;
}

function midnightOf(time: number): number {
  return new Date(time).setHours(0, 0, 0, 0);
}

/** Counts days by the calendar, because a day may have 23 or 25 hours. */
function midnightAfter(midnight: number, days: number): number {
  const date = new Date(midnight);
  return date.setDate(date.getDate() + days);
}

function isMidnight(time: number): boolean {
  return midnightOf(time) === time;
}

function clockOf(time: number, step: number): string {
  const clock = formatClock(time);
  return clock.slice(0, step >= minute ? 5 : step >= second ? 8 : 12);
}
