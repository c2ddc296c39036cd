/** Aligns two lists by their longest common subsequence. Pure. */

/** Two entries that match, or an entry that only one list has. */
export interface Pair<T> {
  readonly left: T | undefined;
  readonly right: T | undefined;
}

/**
 * Pairs the entries of both lists, in their order, along a longest common subsequence.
 * Between two matches, entries of the left list come first.
 * @param keyOf entries with equal keys match
 * @param exactTo lists up to this length, not counting their common prefix and suffix, are aligned optimally.
 *   For longer lists this would take too long, so they are aligned in chunks of this length
 */
export function align<T>(
  left: readonly T[],
  right: readonly T[],
  keyOf: (entry: T) => string,
  exactTo = 1000,
): Pair<T>[] {
  const [a, b] = [left.map(keyOf), right.map(keyOf)];
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && a[start] === b[start]) start++;
  let end = 0;
  while (end < shorter - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const pairs = [
    ...Array.from({ length: start }, (_, index): IndexPair => [index, index]),
    ...alignChunks(a, b, { at: [start, start], end: [a.length - end, b.length - end], exactTo }),
    ...Array.from({ length: end }, (_, index): IndexPair => [a.length - end + index, b.length - end + index]),
  ];
  return pairs.map(([l, r]) => ({
    left: l === undefined ? undefined : left[l],
    right: r === undefined ? undefined : right[r],
  }));
}

/** Indexes into both lists. */
type IndexPair = readonly [left: number | undefined, right: number | undefined];

interface Chunk {
  readonly at: readonly [number, number];
  readonly end: readonly [number, number];
  readonly exactTo: number;
}

/**
 * Aligns chunk by chunk. Of each chunk but the last, only the first half is kept, because later entries may
 * change the second half.
 */
function alignChunks(a: readonly string[], b: readonly string[], { at, end, exactTo }: Chunk): IndexPair[] {
  const pairs: IndexPair[] = [];
  let [l, r] = at;
  while (l < end[0] || r < end[1]) {
    const [lEnd, rEnd] = [Math.min(end[0], l + exactTo), Math.min(end[1], r + exactTo)];
    const chunk = alignExactly(a.slice(l, lEnd), b.slice(r, rEnd));
    const isLast = lEnd === end[0] && rEnd === end[1];
    const kept = isLast ? chunk : chunk.slice(0, Math.ceil(chunk.length / 2));
    for (const [i, j] of kept) {
      pairs.push([i === undefined ? undefined : l + i, j === undefined ? undefined : r + j]);
    }
    l += kept.filter(([i]) => i !== undefined).length;
    r += kept.filter(([, j]) => j !== undefined).length;
  }
  return pairs;
}

/** Dynamic programming: computes the length of the common subsequence from each place on, then the path. */
function alignExactly(a: readonly string[], b: readonly string[]): IndexPair[] {
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  const commonFrom = (i: number, j: number) => common[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i * width + j] =
        a[i] === b[j] ? commonFrom(i + 1, j + 1) + 1 : Math.max(commonFrom(i + 1, j), commonFrom(i, j + 1));
    }
  }
  const pairs: IndexPair[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) pairs.push([i++, j++]);
    else if (i < a.length && (j === b.length || commonFrom(i + 1, j) >= commonFrom(i, j + 1)))
      pairs.push([i++, undefined]);
    else pairs.push([undefined, j++]);
  }
  return pairs;
}
