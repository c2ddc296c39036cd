/** What became of a folder's mutants, from StrykerJS' report. Pure. */
import { z } from "zod";

export interface Counts {
  /** A test failed, or did not end. */
  readonly noticed: number;
  readonly survived: number;
  /** In lines that no test runs. */
  readonly notRun: number;
}

/** The part of https://github.com/stryker-mutator/mutation-testing-elements' schema that is read. */
const reportSchema = z.object({
  files: z.record(z.string(), z.object({ mutants: z.array(z.object({ status: z.string() })) })),
});

/** @param report JSON. Mutants that cannot be compiled or were left out count nowhere. */
export function countsOf(report: string): Counts {
  const { files } = reportSchema.parse(JSON.parse(report));
  const all = Object.values(files).flatMap(({ mutants }) => mutants);
  const count = (...statuses: string[]) => all.filter(({ status }) => statuses.includes(status)).length;
  return { noticed: count("Killed", "Timeout"), survived: count("Survived"), notRun: count("NoCoverage") };
}

/** Noticed mutants among those that tests run, in percent; 0 if tests run none. */
export function scoreOf({ noticed, survived }: Counts): number {
  return noticed === 0 ? 0 : (100 * noticed) / (noticed + survived);
}

export function rowOf(folder: string, counts: Counts): string {
  const { noticed, survived, notRun } = counts;
  const score = `${scoreOf(counts).toFixed(1)} %`;
  return `${folder}: ${score} (${noticed} noticed, ${survived} survived), ${notRun} in lines that no pure test runs`;
}
