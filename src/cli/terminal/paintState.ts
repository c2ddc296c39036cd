/** How states look. Pure. */
import type { Style } from "./style.ts";

/** The state of a task, or what stands for it. */
export function paintState(state: string, style: Style): string {
  if (bad.has(state)) return style.red(state);
  return state === "running" || state === "recovered" ? style.green(state) : state;
}

const bad: ReadonlySet<string> = new Set(["failed", "lost", "gone", "damaged"]);
