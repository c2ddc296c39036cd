/** Evaluates values of a job file, with errors that name their places. */
import { type JobFile, rejectJob } from "../jobFile.ts";
import { inside } from "../keys.ts";
import { TemplateError } from "../templateError.ts";

/**
 * Evaluates the value at a place of the file. A TemplateError becomes a `JOB_INVALID` that names the place.
 */
export function evaluateAt<T>(file: JobFile, place: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof TemplateError)) throw thrown;
    return rejectJob(file, {
      place: placeOf(place, thrown.path),
      message: thrown.message,
      find: thrown.text,
      whole: thrown.whole,
    });
  }
}

/** Shows list positions, except for blocks: the parser returns a block as a list of one. */
export function placeOf(place: string, steps: readonly (string | number)[]): string {
  return steps.reduce<string>((path, step, index) => {
    if (typeof step === "string") return inside(path, step);
    const isBlock = typeof steps[index + 1] === "string";
    return isBlock ? path : `${path}[${step}]`;
  }, place);
}
