/** Finds paths in a program's output. Pure. */

/** A path ends at spaces, quotes and characters that messages put around paths. */
const path = /(?<![\w.:@~/-])\/[^\s"'`:;,()[\]{}<>|*?=]+/g;

/** Further paths are too far from the error at the output's end. */
const maxPaths = 20;

/** The absolute paths in a text, in reverse order. */
export function namedPaths(text: string): string[] {
  const found = [...text.matchAll(path)].map(([each]) => each.replace(/[.!…]+$/, ""));
  return [...new Set(found.reverse())].filter((each) => each.length > 1).slice(0, maxPaths);
}
