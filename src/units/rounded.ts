/** One decimal place for fractions below 10, none otherwise: `0.4`, `3.2`, `12`, `640`. Pure. */
export function rounded(amount: number): string {
  return amount < 10 && !Number.isInteger(amount) ? amount.toFixed(1) : String(Math.round(amount));
}
