/** The plugin's `history` block, which limits the age and size of the history of ended tasks. Pure. */

import { suggestion } from "../../base/suggest.ts";
import type { OptionProblem } from "../../effects/options/optionProblem.ts";
import { parseDuration } from "../../units/durations.ts";

export interface HistoryBounds {
  /** Milliseconds to keep a task's history after its last event. */
  readonly keepMs: number;
  /** Bytes that all histories together may use. */
  readonly maxBytes: number;
}

const defaults = { keep: "168h", max_size_mb: "1024" };

/** The problem with a name and its value; undefined if both are valid. */
export function historyProblem(name: string, value: string): OptionProblem | undefined {
  const names = Object.keys(defaults);
  if (!names.includes(name)) {
    const message = `has ${JSON.stringify(name)}, which is not a bound of the history`;
    return { message, hint: suggestion(name, names) };
  }
  const message = `has ${name} = ${JSON.stringify(value)}`;
  if (name === "keep") {
    return parseDuration(value) === undefined
      ? { message, hint: "Write a duration such as 7d, 168h or 30m" }
      : undefined;
  }
  const isSize = /^[1-9]\d{0,8}$/.test(value);
  return isSize ? undefined : { message, hint: "Write the size as a whole number of MiB, at least 1" };
}

/** The bounds that valid blocks set. */
export function parseHistory(blocks: readonly Readonly<Record<string, string>>[]): HistoryBounds {
  const { keep, max_size_mb } = { ...defaults, ...Object.assign({}, ...blocks) } as typeof defaults;
  return { keepMs: parseDuration(keep) ?? 0, maxBytes: Number(max_size_mb) * 2 ** 20 };
}
