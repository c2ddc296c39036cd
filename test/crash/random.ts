/** Pseudorandom numbers that can be repeated. Pure. */

export interface Random {
  /** A whole number from 0 to `below` - 1. */
  below(below: number): number;
  /** One of the choices. */
  pick<T>(choices: readonly T[]): T;
  /** True with this probability, in percent. */
  chance(percent: number): boolean;
}

/** The numbers of a seed (mulberry32). The same seed always gives the same numbers. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    pick: (choices) => choices[below(choices.length)] as (typeof choices)[number],
    chance: (percent) => below(100) < percent,
  };
}
