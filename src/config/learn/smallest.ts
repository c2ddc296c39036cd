/** Finds out by trying what is not needed. Pure but for what it is given to try. */

/**
 * The smallest part of a list that suffices, if more never does harm: taking any one of it away does not. For k
 * of n it tries some k * log2(n / k) times.
 * @param all suffices, and is not tried again
 * @param suffices tries a part
 */
export async function smallestSufficient<Item>(
  all: readonly Item[],
  suffices: (part: readonly Item[]) => Promise<boolean>,
): Promise<Item[]> {
  const needed = async (kept: readonly Item[], isNew: boolean, rest: readonly Item[]): Promise<Item[]> => {
    if (isNew && (await suffices(kept))) return [];
    if (rest.length <= 1) return [...rest];
    const half = rest.slice(0, rest.length / 2);
    const other = rest.slice(rest.length / 2);
    // QuickXplain (Junker, 2004): what the one half leaves open has to be in the other.
    const ofOther = await needed([...kept, ...half], true, other);
    const ofHalf = await needed([...kept, ...ofOther], ofOther.length > 0, half);
    return [...ofHalf, ...ofOther];
  };
  return all.length === 0 ? [] : needed([], true, all);
}
