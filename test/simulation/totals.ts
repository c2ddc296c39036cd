/** What many histories did together. Pure. */
import type { Outcome } from "./history.ts";

export interface Totals {
  readonly histories: number;
  readonly steps: number;
  readonly plugins: number;
  readonly runs: number;
  /** Virtual milliseconds. */
  readonly ms: number;
  /** Seeds of the histories that failed, and what was wrong. */
  readonly failures: readonly { readonly seed: number; readonly message: string }[];
}

export const nothingYet: Totals = { histories: 0, steps: 0, plugins: 0, runs: 0, ms: 0, failures: [] };

/** The totals with one more history. */
export function withHistory(totals: Totals, seed: number, outcome: Outcome): Totals {
  const { steps, plugins, runs, ms, failure } = outcome;
  const failures = failure === undefined ? [] : [{ seed, message: failure.message }];
  return sumOf([totals, { histories: 1, steps, plugins, runs, ms, failures }]);
}

export function sumOf(all: readonly Totals[]): Totals {
  const sum = (of: (each: Totals) => number) => all.reduce((total, each) => total + of(each), 0);
  return {
    histories: sum(({ histories }) => histories),
    steps: sum(({ steps }) => steps),
    plugins: sum(({ plugins }) => plugins),
    runs: sum(({ runs }) => runs),
    ms: sum(({ ms }) => ms),
    failures: all.flatMap(({ failures }) => failures),
  };
}

/** A line for people. @param seconds that the histories took */
export function describeTotals({ histories, failures, ...totals }: Totals, first: number, seconds: string) {
  const { steps, plugins, runs, ms } = totals;
  const figures = `${steps} steps, ${plugins} plugins, ${runs} runs, ${Math.round(ms / 1_000)} s of their time`;
  const failed = failures.length === 0 ? "" : `, ${failures.length} of which failed`;
  return `${failures.length === 0 ? "✓" : "✗"} ${histories} histories from seed ${first}${failed}: ${figures} in ${seconds} s`;
}
