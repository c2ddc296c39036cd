/** Finds the runs of the task that a person names. Pure. */
import { DriverError } from "../../base/errors.ts";
import { suggestion } from "../../base/suggest.ts";
import { allocationIndex, allocationOf, taskName } from "../../base/taskId.ts";
import { visible } from "../../units/visible.ts";

/** A run of a task. */
interface Candidate {
  /** `<allocation id>/<task name>/<8 hex digits>`. */
  readonly id: string;
}

/**
 * Finds runs by their whole id, by the task's name, by the label that `run` prints for a task of a group of several
 * instances (`web[0]`), by the beginning of the allocation's id together with the task's name (`6f2d4a9e/web`), or
 * by the beginning of the id. Each way is tried only if the ways before it match nothing. The empty text matches
 * nothing.
 * @param text undefined means all runs
 * @returns at least one run, in the order of the candidates
 * @throws DriverError `TASK_NOT_FOUND`
 */
export function findRuns<T extends Candidate>(text: string | undefined, candidates: readonly T[]): T[] {
  const found = runsOf(text, candidates);
  if (found !== undefined) return found;
  if (text === "") throw new DriverError("TASK_NOT_FOUND", "the name of the task is empty");
  if (text === undefined || candidates.length === 0)
    throw new DriverError("TASK_NOT_FOUND", "the log has no tasks");
  const names = [...new Set(candidates.map(({ id }) => visible(taskName(id))))];
  throw new DriverError("TASK_NOT_FOUND", `no task is called ${text}, and no id begins with it`, {
    hint: suggestion(text, names),
  });
}

/** Whether {@link findRuns} finds a run. */
export function hasRuns(text: string | undefined, candidates: readonly Candidate[]): boolean {
  return runsOf(text, candidates) !== undefined;
}

function runsOf<T extends Candidate>(text: string | undefined, candidates: readonly T[]): T[] | undefined {
  if (text === "") return undefined;
  const ways = text === undefined ? [() => true] : waysOf(text);
  return ways.map((fits) => candidates.filter(fits)).find(({ length }) => length > 0);
}

function waysOf(text: string): ((candidate: Candidate) => boolean)[] {
  const [allocation = "", name] = text.split("/");
  const [, labelled, index] = /^(.+)\[(\d+)\]$/s.exec(text) ?? [];
  return [
    ({ id }) => id === text,
    ({ id }) => taskName(id) === text,
    ({ id }) => taskName(id) === labelled && allocationIndex(allocationOf(id)) === Number(index),
    ({ id }) => taskName(id) === name && allocationOf(id).startsWith(allocation),
    ({ id }) => id.startsWith(text),
  ];
}
