/** Finds the needed part of a list by trial. Pure, apart from the trials that the caller passes. */

/**
 * Finds a part of a list that suffices and of which every item is needed. Assumes that additional items never
 * harm. To find k of n items takes some k * log2(n / k) trials.
 * @param all is known to suffice, and is not tried
 * @param suffices tries a part
 */
export async function smallestSufficient<Item>(
  all: readonly Item[],
  suffices: (part: readonly Item[]) => Promise<boolean>,
): Promise<Item[]> {
  /** The items of `rest` that are needed in addition to `kept`. `isNew`: `kept` has not been tried yet. */
  const needed = async (kept: readonly Item[], isNew: boolean, rest: readonly Item[]): Promise<Item[]> => {
    if (isNew && (await suffices(kept))) return [];
    if (rest.length <= 1) return [...rest];
    const half = rest.slice(0, rest.length / 2);
    const other = rest.slice(rest.length / 2);
    // QuickXplain (Junker, 2004). Keeps all of one half to find the needed items of the other half. Then
    // keeps only these needed items to find those of the first half.
    const ofOther = await needed([...kept, ...half], true, other);
    const ofHalf = await needed([...kept, ...ofOther], ofOther.length > 0, half);
    return [...ofHalf, ...ofOther];
  };
  return all.length === 0 ? [] : needed([], true, all);
}
