/** Colours of states. Pure. */
import type { Style } from "./style.ts";

/** @param state of a task, or a word in its place, such as `completed`, `gone` or `damaged` */
export function paintState(state: string, style: Style): string {
  if (bad.has(state)) return style.red(state);
  return state === "running" || state === "recovered" ? style.green(state) : state;
}

const bad: ReadonlySet<string> = new Set([
  "failed",
  "killed",
  "out of memory",
  "never started",
  "lost",
  "gone",
  "damaged",
]);
