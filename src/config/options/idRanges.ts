/** Ranges of user and group ids, such as `0,10-15,22`. A range includes both ends. Pure. */
import { parseId } from "../task/ids.ts";

/** What is wrong with a list of ranges, which may be empty; undefined if nothing is. */
export function idRangesProblem(ranges: string): string | undefined {
  const wrong = partsOf(ranges).find((part) => rangeOf(part) === undefined);
  return wrong === undefined ? undefined : `has ${JSON.stringify(wrong)}, which is neither an id nor a range`;
}

/** Whether an id is in one of the ranges, which must have been checked. */
export function isInRanges(id: number, ranges: string): boolean {
  return partsOf(ranges).some((part) => {
    const [first, last] = rangeOf(part) ?? [Number.POSITIVE_INFINITY, 0];
    return id >= first && id <= last;
  });
}

function partsOf(ranges: string): string[] {
  return ranges.trim() === "" ? [] : ranges.split(",").map((part) => part.trim());
}

function rangeOf(part: string): [number, number] | undefined {
  const [first, last, ...more] = part.split("-").map(parseId);
  if (first === undefined || more.length > 0) return undefined;
  if (!part.includes("-")) return [first, first];
  return last !== undefined && first <= last ? [first, last] : undefined;
}
