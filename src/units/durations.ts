/** Durations as people write and read them. Pure. */
import { rounded } from "./ratios.ts";

/** Milliseconds in each of Go's units. Job files may use no others, because Nomad parses the files, too. */
export const goUnits = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const units = { ...goUnits, min: 60_000, d: 86_400_000 };
type Units = Readonly<Record<string, number>>;

/**
 * Parses a duration, such as `500ms`, `1.5s`, `90m` or `90min`, `1h30m`, `7d`.
 * @returns milliseconds; undefined if the text is not a duration
 */
export function parseDuration(text: string, known: Units = units): number | undefined {
  if (!/^(?:0|(?:\d+(?:\.\d+)?[a-zµ]+)+)$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit = ""] of text.matchAll(/([\d.]+)([a-zµ]+)/g)) {
    if (!Object.hasOwn(known, unit)) return undefined;
    total += Number(amount) * (known[unit] as number);
  }
  return total;
}

/**
 * A task's run time. The time is negative if the task ended before its start was recorded. It is then shown
 * as `< 1 ms`.
 */
export function formatLife(milliseconds: number): string {
  return milliseconds < 1 ? "< 1 ms" : formatDuration(milliseconds);
}

/** `0.4 ms`, `12 ms`, `3.2 s`, `4 min`, `2 h`, `9 d`. */
export function formatDuration(milliseconds: number): string {
  // An amount that rounds up to a whole larger unit is shown in the larger unit: `1 min`, and not `60 s`.
  if (milliseconds < units.s - 0.5) return `${rounded(milliseconds)} ms`;
  if (milliseconds < units.min - units.s / 2) return `${rounded(milliseconds / units.s)} s`;
  const unit = milliseconds < units.h ? "min" : milliseconds < units.d ? "h" : "d";
  return `${Math.max(1, Math.floor(milliseconds / units[unit]))} ${unit}`;
}
