/** User and group ids as people write them. Pure. */

/** The largest valid id. For the kernel, 2^32 - 1 means "do not change the id". */
export const maxId = 2 ** 32 - 2;

/** Parses a canonical decimal id: without sign or leading zeros, and no larger than {@link maxId}. */
export function parseId(text: string): number | undefined {
  const id = /^(0|[1-9]\d{0,9})$/.test(text) ? Number(text) : undefined;
  return id !== undefined && id <= maxId ? id : undefined;
}

/** The problem with a list of ranges; undefined if the list is valid or empty. */
export function idRangesProblem(ranges: string): string | undefined {
  const wrong = partsOf(ranges).find((part) => rangeOf(part) === undefined);
  return wrong === undefined ? undefined : `has ${JSON.stringify(wrong)}, which is neither an id nor a range`;
}

/** Whether an id is in one of the ranges, which must be valid. */
export function isInRanges(id: number, ranges: string): boolean {
  return partsOf(ranges).some((part) => {
    const [first, last] = rangeOf(part) ?? [Number.POSITIVE_INFINITY, 0];
    return id >= first && id <= last;
  });
}

/** The number of ids in the ranges, which must be valid. */
export function countOfIds(ranges: string): number {
  return rangesOf(ranges).reduce((count, [first, last]) => count + last - first + 1, 0);
}

/** The id at an index, from 0 on, of the ranges, which must be valid; undefined beyond their end. */
export function idAt(ranges: string, index: number): number | undefined {
  let left = index;
  for (const [first, last] of rangesOf(ranges)) {
    if (first + left <= last) return first + left;
    left -= last - first + 1;
  }
  return undefined;
}

function rangesOf(ranges: string): [number, number][] {
  return partsOf(ranges).flatMap((part) => {
    const range = rangeOf(part);
    return range ? [range] : [];
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
