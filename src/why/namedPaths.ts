/** Paths that a program's output names. Pure. */

/** Characters that no path in a message has, but for those that put it in quotes. */
const path = /(?<![\w.:@~/-])\/[^\s"'`:;,()[\]{}<>|*?=]+/g;

/** More than these are not about the error at the end. */
const maxPaths = 20;

/** The absolute paths in a text, the last one first. */
export function namedPaths(text: string): string[] {
  const found = [...text.matchAll(path)].map(([each]) => each.replace(/[.!…]+$/, ""));
  return [...new Set(found.reverse())].filter((each) => each.length > 1).slice(0, maxPaths);
}
