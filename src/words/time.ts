/** Times and spans for people. Pure. */

const units: readonly (readonly [milliseconds: number, unit: string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
];

/** `0.4 ms`, `12 ms`, `3.2 s`, `4 min`, `2 h`, `9 d`. */
export function formatSpan(milliseconds: number): string {
  if (milliseconds < 1_000) return `${round(milliseconds)} ms`;
  const [size, unit] = units.find(([least]) => milliseconds >= least) ?? [1_000, "s"];
  const amount = milliseconds / size;
  return `${unit === "s" ? round(amount) : Math.floor(amount)} ${unit}`;
}

/** Local wall clock to the millisecond: `2026-11-24 16:05:09.123`. */
export function formatTime(milliseconds: number): string {
  const time = new Date(milliseconds);
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return `${date} ${clock}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

/** Two digits where that says more than one. */
function round(amount: number): string {
  return amount < 10 && !Number.isInteger(amount) ? amount.toFixed(1) : String(Math.round(amount));
}
