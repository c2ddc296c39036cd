/** Counts as people write them. Pure. */

/** `1,204`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 file`, `1,204 files`. */
export function countOf(count: number, what: string): string {
  return `${formatCount(count)} ${what}${count === 1 ? "" : "s"}`;
}

/** `once`, `1,204 times`. */
export function formatTimes(count: number): string {
  return count === 1 ? "once" : `${formatCount(count)} times`;
}

/** `twice`, `1,204 times`; empty for once. */
export function formatRepetition(count: number): string {
  if (count <= 1) return "";
  return count === 2 ? "twice" : formatTimes(count);
}
