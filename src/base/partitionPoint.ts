/**
 * The first index of a range whose item fails a test; `to` if none fails. Uses binary search, so all items
 * that pass the test must come before those that fail. Pure.
 */
export function partitionPoint(from: number, to: number, passes: (index: number) => boolean): number {
  let low = from;
  for (let high = to; low < high; ) {
    const middle = (low + high) >>> 1;
    if (passes(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
