/** Two lists lined up: what they have in common stands side by side. Pure. */

/** An entry of the one list, of the other, or two that stand for each other. */
export interface Pair<T> {
  readonly left: T | undefined;
  readonly right: T | undefined;
}

/**
 * Both lists in their order, with a longest common subsequence side by side.
 * Between two common entries those of the left come first.
 * @param keyOf entries of equal keys may stand for each other
 * @param exactTo so many entries that are not common to the lists' ends are lined up
 *   as well as can be; of longer lists, which would take too long, each stretch is
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
  const places = [
    ...Array.from({ length: start }, (_, index): Place => [index, index]),
    ...alignPieces(a, b, { at: [start, start], end: [a.length - end, b.length - end], exactTo }),
    ...Array.from({ length: end }, (_, index): Place => [a.length - end + index, b.length - end + index]),
  ];
  return places.map(([l, r]) => ({
    left: l === undefined ? undefined : left[l],
    right: r === undefined ? undefined : right[r],
  }));
}

/** Indexes into both lists. */
type Place = readonly [left: number | undefined, right: number | undefined];

interface Piece {
  readonly at: readonly [number, number];
  readonly end: readonly [number, number];
  readonly exactTo: number;
}

/** Of a stretch that does not reach the end only the first half counts: what comes after it may move the rest. */
function alignPieces(a: readonly string[], b: readonly string[], { at, end, exactTo }: Piece): Place[] {
  const places: Place[] = [];
  let [l, r] = at;
  while (l < end[0] || r < end[1]) {
    const [lEnd, rEnd] = [Math.min(end[0], l + exactTo), Math.min(end[1], r + exactTo)];
    const piece = alignExactly(a.slice(l, lEnd), b.slice(r, rEnd));
    const isLast = lEnd === end[0] && rEnd === end[1];
    const taken = isLast ? piece : piece.slice(0, Math.ceil(piece.length / 2));
    for (const [i, j] of taken) {
      places.push([i === undefined ? undefined : l + i, j === undefined ? undefined : r + j]);
    }
    l += taken.filter(([i]) => i !== undefined).length;
    r += taken.filter(([, j]) => j !== undefined).length;
  }
  return places;
}

/** The longest common subsequence of what is left at each pair of places is known before any is chosen. */
function alignExactly(a: readonly string[], b: readonly string[]): Place[] {
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  const commonFrom = (i: number, j: number) => common[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i * width + j] =
        a[i] === b[j] ? commonFrom(i + 1, j + 1) + 1 : Math.max(commonFrom(i + 1, j), commonFrom(i, j + 1));
    }
  }
  const places: Place[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) places.push([i++, j++]);
    else if (i < a.length && (j === b.length || commonFrom(i + 1, j) >= commonFrom(i, j + 1)))
      places.push([i++, undefined]);
    else places.push([undefined, j++]);
  }
  return places;
}
