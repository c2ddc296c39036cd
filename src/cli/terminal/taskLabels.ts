/** Makes the prefixes of tasks' lines: the names padded to one width, each in its own colour. Pure. */
import { visible } from "../../units/visible.ts";
import { blanks, cellsOf } from "../../units/widths.ts";
import type { Style } from "./style.ts";

/** Used in turn. All are readable on common terminals. */
const taskColours = ["cyan", "magenta", "green", "yellow", "blue"] as const;

export class TaskLabels {
  readonly #names: readonly string[];
  readonly #width: number;

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#width = Math.max(0, ...names.map((name) => cellsOf(visible(name))));
  }

  label(task: string, style: Style): string {
    const colour = taskColours[this.#names.indexOf(task) % taskColours.length] ?? "cyan";
    const name = visible(task);
    return style[colour](name + blanks(name, this.#width));
  }

  /** The prefix of a line of the task's output. */
  prefix(task: string, stream: "stdout" | "stderr", style: Style): string {
    return `${this.label(task, style)} ${style.dim(stream === "stdout" ? "|" : "!")} `;
  }
}
