/**
 * How likely chance alone makes a difference between failed and good cases. Exact, and so right for few cases, too.
 * Pure.
 */

/** Counts of cases that are comparable, such as those of one job. */
export interface Stratum {
  readonly cases: number;
  readonly failed: number;
  /** Cases that have the value in question. */
  readonly members: number;
  /** Failed cases that have it. */
  readonly failedMembers: number;
}

/**
 * The natural logarithm of the probability that at least as many failed cases have the value, if in each stratum chance
 * alone decides which of its cases failed: Fisher's exact test, one-sided. With several strata, the exact test of
 * Cochran, Mantel and Haenszel. The probability itself may be smaller than any number.
 */
export function lnChanceOf(strata: readonly Stratum[]): number {
  const telling = strata.filter(tells);
  const found = telling.reduce((sum, { failedMembers }) => sum + failedMembers, 0);
  const least = telling.reduce((sum, each) => sum + leastOf(each), 0);
  if (found <= least) return 0;
  const distributions = telling.map(lnDistributionOf);
  // Numbers hold what is near the middle of a distribution, so the middle is moved to what was found.
  const tilt = tiltTo(found - least, distributions);
  let [sums, lnScale] = [[1], 0];
  for (const each of distributions) {
    const { weights, lnTotal } = tilted(each, tilt);
    sums = convolved(sums, weights);
    lnScale += lnTotal;
  }
  const above = sums.slice(found - least).map((weight, more) => weight * Math.exp(-tilt * more));
  // The smallest first: adding them to the large ones one by one would lose them.
  const sum = above.reverse().reduce((all, each) => all + each, 0);
  return Math.min(0, lnScale - tilt * (found - least) + Math.log(sum));
}

/** Whether something else than what was found is possible. */
function tells({ cases, failed, members }: Stratum): boolean {
  return failed > 0 && failed < cases && members > 0 && members < cases;
}

function leastOf({ cases, failed, members }: Stratum): number {
  return Math.max(0, failed + members - cases);
}

/** The hypergeometric distribution: logarithms for each number of failed members, from the least one on. */
function lnDistributionOf(stratum: Stratum): number[] {
  const { cases, failed, members } = stratum;
  const least = leastOf(stratum);
  const most = Math.min(failed, members);
  const all = lnChoose(cases, members);
  return Array.from({ length: most - least + 1 }, (_, index) => {
    const both = least + index;
    return lnChoose(failed, both) + lnChoose(cases - failed, members - both) - all;
  });
}

/** A distribution with each probability multiplied by e^(tilt · number). */
function tilted(distribution: readonly number[], tilt: number) {
  const exponents = distribution.map((ln, number) => ln + tilt * number);
  const largest = exponents.reduce((one, other) => Math.max(one, other));
  const weights = exponents.map((each) => Math.exp(each - largest));
  const total = weights.reduce((sum, each) => sum + each, 0);
  return { weights: weights.map((each) => each / total), lnTotal: largest + Math.log(total) };
}

/** Far beyond it, the whole distribution is at its end. */
const maxTilt = 64;

/** The tilt with which the sum of the distributions has this mean; at most {@link maxTilt}, at least none. */
function tiltTo(mean: number, distributions: readonly (readonly number[])[]): number {
  const meanAt = (tilt: number) =>
    distributions
      .flatMap((each) => tilted(each, tilt).weights.map((weight, number) => weight * number))
      .reduce((sum, each) => sum + each, 0);
  let [low, high] = [0, maxTilt];
  for (let step = 0; step < 24; step++) {
    const middle = (low + high) / 2;
    if (meanAt(middle) < mean) low = middle;
    else high = middle;
  }
  return low;
}

function convolved(one: readonly number[], other: readonly number[]): number[] {
  const sums = new Array<number>(one.length + other.length - 1).fill(0);
  for (const [i, a] of one.entries()) {
    // What cannot be seen beside the middle takes the most time.
    if (a < 1e-30) continue;
    for (const [j, b] of other.entries()) sums[i + j] = (sums[i + j] as number) + a * b;
  }
  return sums;
}

const lnFactorials = [0];

function lnFactorial(n: number): number {
  for (let next = lnFactorials.length; next <= n; next++)
    lnFactorials.push((lnFactorials[next - 1] as number) + Math.log(next));
  return lnFactorials[n] as number;
}

/** The natural logarithm of the number of ways in which some of all can be chosen. */
export function lnChoose(n: number, k: number): number {
  return lnFactorial(n) - lnFactorial(k) - lnFactorial(n - k);
}

/** Up to so many choices of nodes, all of them are looked at; above, so many are drawn. */
const maxChoices = 20_000;

/**
 * The probability that as many nodes, chosen by chance, have an excess of failures that is at least as large. Cases of
 * one node are not independent of each other: a node that is broken makes everything that it has look like a reason.
 * @param excess how many more cases failed on each node than on an average one
 * @param chosen which nodes have the value in question
 */
export function chanceOfNodes(excess: readonly number[], chosen: readonly boolean[]): number {
  const own = excess.reduce((sum, each, index) => (chosen[index] === true ? sum + each : sum), 0);
  const total = excess.reduce((sum, each) => sum + each, 0);
  const many = chosen.filter(Boolean).length;
  // The rest of the nodes is a choice, too, and the smaller one.
  const isRest = many * 2 > excess.length;
  const size = isRest ? excess.length - many : many;
  const rounding = 1e-9 * (1 + Math.abs(own));
  const reaches = (sum: number) => (isRest ? total - sum : sum) >= own - rounding;
  return Math.exp(lnChoose(excess.length, size)) <= maxChoices + 0.5
    ? shareOfAll(excess, size, reaches)
    : shareOfDrawn(excess, size, reaches);
}

function shareOfAll(excess: readonly number[], size: number, reaches: (sum: number) => boolean): number {
  let [all, reached] = [0, 0];
  const choose = (from: number, left: number, sum: number): void => {
    if (left === 0) {
      all += 1;
      if (reaches(sum)) reached += 1;
      return;
    }
    for (let at = from; at <= excess.length - left; at++)
      choose(at + 1, left - 1, sum + (excess[at] as number));
  };
  choose(0, size, 0);
  return reached / all;
}

function shareOfDrawn(excess: readonly number[], size: number, reaches: (sum: number) => boolean): number {
  const random = randomFrom(1);
  const mixed = [...excess];
  // The choice that was found counts as drawn.
  let reached = 1;
  for (let draw = 0; draw < maxChoices; draw++) {
    let sum = 0;
    for (let at = 0; at < size; at++) {
      const other = at + Math.floor(random() * (mixed.length - at));
      const drawn = mixed[other] as number;
      mixed[other] = mixed[at] as number;
      mixed[at] = drawn;
      sum += drawn;
    }
    if (reaches(sum)) reached += 1;
  }
  return reached / (maxChoices + 1);
}

/** Numbers from 0 to 1, the same for the same seed: the same fleet gets the same answer (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
