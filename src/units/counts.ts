/** Counts as people write them. Pure. */

/** `1,204`. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `once`, `1,204 times`. */
export function formatTimes(count: number): string {
  return count === 1 ? "once" : `${formatCount(count)} times`;
}
