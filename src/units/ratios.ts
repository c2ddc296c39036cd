/** Numbers with a fraction, as people write them. Pure. */

/** One decimal place for fractions below 10, none otherwise: `0.4`, `3.2`, `12`, `640`. */
export function rounded(amount: number): string {
  return amount < 10 && !Number.isInteger(amount) ? amount.toFixed(1) : String(Math.round(amount));
}

/** A share of a whole, or of one core: `7.3 %`, `112 %`. */
export function formatShare(share: number): string {
  return `${rounded(Math.round(share * 1000) / 10)} %`;
}

/** How many times as long: `×0.4`, `×2.0`, `×12`. */
export function formatRatio(ratio: number): string {
  return `×${ratio < 10 ? ratio.toFixed(1) : Math.round(ratio)}`;
}
