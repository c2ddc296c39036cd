/** Covering arrays: few combinations that contain every pair of levels of every two factors. Pure. */

/**
 * Chooses combinations greedily: each begins with a pair that none contains yet, and takes for each further
 * factor the level that adds the most such pairs.
 * @param sizes the number of levels of each factor, at least 1
 * @returns rows with a level, from 0 on, for each factor
 */
export function pairwise(sizes: readonly number[]): number[][] {
  const missing = new Set(pairsOf(sizes));
  const rows: number[][] = [];
  for (const seed of missing) {
    // A row may have removed the pair meanwhile: a set's iterator skips what was deleted.
    const row: (number | undefined)[] = sizes.map(() => undefined);
    const [a, levelA, b, levelB] = seed.split(" ").map(Number) as [number, number, number, number];
    [row[a], row[b]] = [levelA, levelB];
    for (const [factor, size] of sizes.entries()) {
      if (row[factor] !== undefined) continue;
      const gains = Array.from({ length: size }, (_, level) => newPairs(row, factor, level, missing).length);
      row[factor] = gains.indexOf(Math.max(...gains));
    }
    const whole = row as number[];
    for (const [factor, level] of whole.entries())
      for (const pair of newPairs(whole, factor, level, missing)) missing.delete(pair);
    rows.push(whole);
  }
  return rows;
}

/** All pairs, as `factor level factor level` with the smaller factor first. */
function pairsOf(sizes: readonly number[]): string[] {
  return sizes.flatMap((sizeA, a) =>
    sizes.flatMap((sizeB, b) =>
      b <= a
        ? []
        : Array.from({ length: sizeA * sizeB }, (_, n) => `${a} ${Math.floor(n / sizeB)} ${b} ${n % sizeB}`),
    ),
  );
}

/** The missing pairs that a level of a factor makes with the other levels of a row. */
function newPairs(
  row: readonly (number | undefined)[],
  factor: number,
  level: number,
  missing: ReadonlySet<string>,
): string[] {
  return row.flatMap((other, index) => {
    if (other === undefined || index === factor) return [];
    const pair =
      index < factor ? `${index} ${other} ${factor} ${level}` : `${factor} ${level} ${index} ${other}`;
    return missing.has(pair) ? [pair] : [];
  });
}
