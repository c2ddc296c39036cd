/** Chooses tasks by their fields, as `ps --filter` and the search of `top` name them. Pure. */
import { DriverError } from "../../base/errors.ts";
import { suggestion } from "../../base/suggest.ts";
import { taskResults } from "../../machines/taskResults.ts";
import type { TaskRow } from "./taskRow.ts";

export type TaskFilter = (row: TaskRow) => boolean;

/** Fields that a filter can name; of the ids, the beginning is enough. */
const fields: Readonly<Record<string, (row: TaskRow) => readonly (string | number | null)[]>> = {
  task: ({ task }) => [task],
  job: ({ job }) => [job],
  group: ({ group }) => [group],
  namespace: ({ namespace }) => [namespace],
  user: ({ user, uid }) => [user, uid],
  // One word for a task that runs, whether it was taken over or not.
  state: ({ state, result }) => [state, result, state === "recovered" ? "running" : null],
  allocation: ({ allocation }) => [allocation],
  id: ({ id }) => [id],
};
const byBeginning: ReadonlySet<string> = new Set(["allocation", "id"]);

/** What `failed` means: each result but those of a task that did its work, or was stopped; and no result. */
const failed: ReadonlySet<string> = new Set(
  taskResults.filter((result) => result !== "completed" && result !== "stopped"),
);

export function hasFailed({ result, state }: Pick<TaskRow, "result" | "state">): boolean {
  return failed.has(result ?? "") || state === "gone";
}

/**
 * A filter such as `job=shop`, `job=sho*`, or `failed`.
 * @throws DriverError `EXPRESSION_INVALID`
 */
function parseFilter(text: string): { readonly name: string; readonly fits: TaskFilter } {
  if (text === "failed") return { name: text, fits: hasFailed };
  const [, name = text, value] = /^([a-z]+)=(.*)$/s.exec(text) ?? [];
  const read = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (read === undefined || value === undefined || value === "") {
    throw read === undefined
      ? wrong(`there is no filter ${text}`, suggestion(name, [...Object.keys(fields), "failed"]))
      : wrong(`the filter ${text} has no value`, `It is ${name}=VALUE`);
  }
  const end = byBeginning.has(name) ? "*" : "";
  const pattern = `${value}${end}`.split("*").map((part) => part.replace(/[\\^$.+?()[\]{}|/]/gu, "\\$&"));
  const expected = new RegExp(`^${pattern.join(".*")}$`, "su");
  return { name, fits: (row) => read(row).some((each) => each !== null && expected.test(String(each))) };
}

function wrong(summary: string, hint: string): DriverError {
  return new DriverError("EXPRESSION_INVALID", summary, { hint });
}

/**
 * All filters together: of several with the same name, one has to fit.
 * @throws DriverError `EXPRESSION_INVALID`
 */
export function taskFilter(texts: readonly string[]): TaskFilter {
  const groups = [...Map.groupBy(texts.map(parseFilter), ({ name }) => name).values()];
  return (row) => groups.every((group) => group.some(({ fits }) => fits(row)));
}

/** Whether a filter is about tasks that have ended, so that these are looked at, too. */
export function asksForEnded(texts: readonly string[]): boolean {
  return texts.some((text) => text === "failed" || text.startsWith("state="));
}
