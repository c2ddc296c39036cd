/** Chances in words. Pure: the page loads it. */
import { formatCount } from "../units/counts.ts";

/** `1 in 5`, `1 in 4,060`, `1 in 10^12`. @param lnChance its natural logarithm */
export function chanceText(lnChance: number): string {
  if (lnChance > Math.log(0.5)) return "likely";
  const inverse = Math.exp(-lnChance);
  return inverse < 1e6
    ? `1 in ${formatCount(Math.round(inverse))}`
    : `1 in 10^${Math.floor(-lnChance / Math.LN10)}`;
}
