/** Errors of all tasks of an allocation, in chronological order. Pure. */
import type { AllocationView } from "../../views/allocationView.ts";

/** An error of a run, with its place. */
export interface ErrorPlace {
  /** Id of the run. */
  readonly id: string;
  readonly task: string;
  readonly seq: number;
  readonly time: number;
  readonly text: string;
}

export function errorsOf({ tasks }: AllocationView): ErrorPlace[] {
  const places = tasks.flatMap(({ task, runs }) =>
    runs.flatMap(({ id, marks }) =>
      marks.flatMap(({ kind, seq, time, text }) => (kind === "error" ? { id, task, seq, time, text } : [])),
    ),
  );
  return places.sort((a, b) => a.time - b.time || a.seq - b.seq);
}

/** Identifies an error among all errors of an allocation, also in an address: `3.<id>`. */
export function keyOf({ id, seq }: Pick<ErrorPlace, "id" | "seq">): string {
  return `${seq}.${id}`;
}

/**
 * The next error, or the previous one.
 * @param from the shown error, or else the time from which to search
 * @returns undefined if there is none in that direction
 */
export function nextError(
  errors: readonly ErrorPlace[],
  from: Pick<ErrorPlace, "id" | "seq"> | number,
  step: 1 | -1,
): ErrorPlace | undefined {
  if (typeof from === "number") {
    return step === 1 ? errors.find(({ time }) => time > from) : errors.findLast(({ time }) => time < from);
  }
  const index = errors.findIndex((each) => keyOf(each) === keyOf(from));
  return index === -1 ? undefined : errors[index + step];
}
