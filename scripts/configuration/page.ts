/** Generates the parts of docs/configuration.md that are between marks. The rest is written by hand. Pure. */

import { pluginSchema } from "../../src/config/options/pluginOptions.ts";
import { taskSchema } from "../../src/config/options/taskOptions.ts";
import { defaultPaths } from "../../src/config/task/defaultPaths.ts";
import { optionTable } from "./optionTable.ts";
import { profileTable } from "./profileTable.ts";

/** By the names in their marks. */
const parts: Readonly<Record<string, () => string>> = {
  "plugin options": () => optionTable(pluginSchema),
  "task options": () => optionTable(taskSchema()),
  "default paths": listDefaultPaths,
  "default profile": profileTable,
};

/**
 * The page with its generated parts up to date.
 * @throws Error for a page without one of the marks
 */
export function renewPage(page: string): string {
  return Object.entries(parts).reduce((text, [name, generate]) => {
    const [begin, end] = [`<!-- generated: ${name} -->\n`, `\n<!-- end: ${name} -->`];
    const [before, rest = ""] = splitAt(text, begin);
    const [, after] = splitAt(rest, end);
    if (after === undefined) throw new Error(`docs/configuration.md has no marks for its ${name}`);
    return `${before}${begin}\n${generate()}\n${end}${after}`;
  }, page);
}

function splitAt(text: string, mark: string): [string, string?] {
  const at = text.indexOf(mark);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + mark.length)];
}

function listDefaultPaths(): string {
  return Object.entries(defaultPaths)
    .map(([group, entries]) => `- ${titles[group as keyof typeof defaultPaths]}: ${byMode(entries)}`)
    .join("\n");
}

const titles = {
  programs: "programs",
  sharedObjects: "shared objects",
  common: "common (`/tmp` is the task's own)",
  dns: "names",
  certificates: "certificates",
} as const satisfies Record<keyof typeof defaultPaths, string>;

/** `rx`: `/bin`, `/usr/bin`; `r`: … */
function byMode(entries: readonly string[]): string {
  const paths = Map.groupBy(entries, (entry) => entry.slice(0, entry.indexOf(":")));
  return [...paths]
    .map(
      ([mode, each]) =>
        `\`${mode}\`: ${each.map((entry) => `\`${entry.slice(mode.length + 1)}\``).join(", ")}`,
    )
    .join("; ");
}
