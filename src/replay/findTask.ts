/** Finds the task that a person names. Pure. */
import { DriverError } from "../errors.ts";
import { suggestion } from "../suggest.ts";
import { taskName } from "../taskId.ts";
import { visible } from "../units/visible.ts";

/**
 * Finds a task by whole id, else by name, else by the beginning of its id. Later
 * ways are tried only if earlier ones match nothing.
 * @throws DriverError `TASK_NOT_FOUND` if none matches, or several do
 */
export function findTask<T extends Candidate>(text: string, candidates: readonly T[]): T {
  const ways = [
    ({ id }: T) => id === text,
    ({ id }: T) => taskName(id) === text,
    ({ id }: T) => id.startsWith(text),
  ];
  const found = ways.map((fits) => candidates.filter(fits)).find(({ length }) => length > 0) ?? [];
  const [only, second] = found;
  if (only && !second) return only;
  if (only) {
    const list = found.map(({ id, state = "" }) => visible(`  ${id}  ${state}`).trimEnd()).join("\n");
    throw new DriverError(
      "TASK_NOT_FOUND",
      text ? `${text} matches ${found.length} tasks:\n${list}` : `there are ${found.length} tasks:\n${list}`,
      {
        hint: "Give more of the id",
      },
    );
  }
  if (candidates.length === 0) throw new DriverError("TASK_NOT_FOUND", "the log has no tasks");
  const names = [...new Set(candidates.map(({ id }) => visible(taskName(id))))];
  throw new DriverError("TASK_NOT_FOUND", `no task is called ${text}, and no id begins with it`, {
    hint: suggestion(text, names),
  });
}

interface Candidate {
  readonly id: string;
  readonly state?: string;
}
