/** Two digits where that says more than one: `0.4`, `3.2`, `12`, `640`. Pure. */
export function rounded(amount: number): string {
  return amount < 10 && !Number.isInteger(amount) ? amount.toFixed(1) : String(Math.round(amount));
}
