/** Results of the cases: for people, and for scripts/testTotals.mjs. */
import { writeFileSync } from "node:fs";

export interface Outcome {
  readonly name: string;
  /** Why the case failed; undefined if it passed. */
  readonly failure?: string;
  readonly milliseconds: number;
}

export function printOutcome({ name, failure, milliseconds }: Outcome): void {
  console.log(`${failure === undefined ? "✓" : "✗"} ${name} (${(milliseconds / 1000).toFixed(1)} s)`);
  if (failure !== undefined) console.log(failure.replaceAll(/^/gm, "    "));
}

/** Adds the cases without a result as failed ones. */
export function withMissing(cases: readonly string[], reported: readonly Outcome[], why: string): Outcome[] {
  const missing = cases
    .filter((name) => !reported.some((outcome) => outcome.name === name))
    .map((name) => ({ name, failure: why, milliseconds: 0 }));
  for (const outcome of missing) printOutcome(outcome);
  return [...reported, ...missing];
}

/**
 * Writes the totals, named as in vitest's JSON report.
 * @returns the number of cases that failed
 */
export function writeReport(path: string, outcomes: readonly Outcome[]): number {
  const failed = outcomes.filter(({ failure }) => failure !== undefined).length;
  const totals = {
    numPassedTests: outcomes.length - failed,
    numFailedTests: failed,
    numPendingTests: 0,
    numTodoTests: 0,
  };
  writeFileSync(path, JSON.stringify({ ...totals, outcomes }, null, 2));
  return failed;
}
