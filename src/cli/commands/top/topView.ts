/** The view of `top` that a person has chosen, and how keys change it. Pure. */
import type { TaskRow } from "../../tasks/taskRow.ts";
import { endKey, isVisible } from "../../terminal/keyName.ts";

export const sortKeys = ["cpu", "memory", "age", "name"] as const;
export type SortKey = (typeof sortKeys)[number];

export interface TopView {
  readonly sort: SortKey;
  /** Shows only tasks that contain this text; empty for all tasks. */
  readonly search: string;
  /** Whether keys are typed into the search. */
  readonly typing: boolean;
  /** Maximum number of tasks to show. */
  readonly limit: number;
}

const quitKeys: ReadonlySet<string> = new Set(["q", "Q", "C-c", "C-d", "escape", endKey]);

/** The view after a key was pressed; `quit` if the key ends the program. */
export function press(view: TopView, key: string): TopView | "quit" {
  if (view.typing) return type(view, key);
  if (key === "/") return { ...view, typing: true };
  // Escape ends the search first, and the program next.
  if (key === "escape" && view.search !== "") return { ...view, search: "" };
  if (quitKeys.has(key)) return "quit";
  const sort = sortKeys.find((name) => name.startsWith(key.toLowerCase()));
  return sort === undefined || key === "" ? view : { ...view, sort };
}

function type(view: TopView, key: string): TopView | "quit" {
  switch (key) {
    case endKey:
      return "quit";
    case "return":
      return { ...view, typing: false };
    case "escape":
    case "C-c":
      return { ...view, typing: false, search: "" };
    case "C-u":
      return { ...view, search: "" };
    case "backspace":
    case "C-h":
      return { ...view, search: [...view.search].slice(0, -1).join("") };
    default:
      return isVisible(key) ? { ...view, search: view.search + key } : view;
  }
}

/** The tasks that the search finds, in their order. */
export function matching(rows: readonly TaskRow[], { search, sort }: TopView): TaskRow[] {
  const wanted = search.toLowerCase();
  return rows.filter((row) => textOf(row).includes(wanted)).toSorted(orders[sort]);
}

function textOf({ task, id, job, group, user, command, state }: TaskRow): string {
  return [task, id, job, group, user, command, state].join("\n").toLowerCase();
}

type Order = (a: TaskRow, b: TaskRow) => number;

/** The last criterion, so that equal tasks, such as idle ones, keep their places. */
const byId: Order = (a, b) => (a.id < b.id ? -1 : 1);

const orders: Readonly<Record<SortKey, Order>> = {
  cpu: (a, b) => (b.cpuPercent ?? -1) - (a.cpuPercent ?? -1) || byId(a, b),
  memory: (a, b) => (b.memoryBytes ?? -1) - (a.memoryBytes ?? -1) || byId(a, b),
  age: (a, b) => b.ageMs - a.ageMs || byId(a, b),
  name: (a, b) => a.task.localeCompare(b.task) || byId(a, b),
};
