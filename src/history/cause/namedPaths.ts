/** Finds paths in a program's output. Pure. */

/** A path ends at spaces, quotes and characters that messages put around paths. */
const path = /(?<![\w.:@~/-])\/[^\s"'`:;,()[\]{}<>|*?=]+/g;

/** A path that may have blanks: in quotes, or between a colon and the C library's text. */
const wholePaths = [
  /(["'`‘“])(\/[^"'`‘’“”:]+)["'`’”]/g,
  /(?:^|: |\s)((?=\/))(\/[^:]+): (?:No such file|Permission denied|Operation not permitted|Not a directory|Is a directory|Read-only file system)/g,
];

/** Further paths are too far from the error at the output's end. */
const maxPaths = 20;

/** The absolute paths in a text, in reverse order. A path with blanks counts only as a whole. */
export function namedPaths(text: string): string[] {
  const whole = wholePaths.flatMap((each) =>
    [...text.matchAll(each)].map((match) => ({
      at: match.index,
      end: match.index + match[0].length,
      text: (match[2] ?? "").trim(),
    })),
  );
  const single = [...text.matchAll(path)]
    .filter(({ index }) => !whole.some(({ at, end }) => index >= at && index < end))
    .map((match) => ({ at: match.index, text: match[0].replace(/[.!…]+$/, "") }));
  const found = [...whole, ...single].sort((one, other) => other.at - one.at).map((each) => each.text);
  return [...new Set(found)].filter((each) => each.length > 1).slice(0, maxPaths);
}

/** Whether a text shows a path as it is: not with escapes, and with no bytes that are no text. */
export function isPlain(path: string): boolean {
  return !/[\\\uFFFD\p{Cc}]/u.test(path);
}

/** Whether a path may go on where it was cut: after a blank, or with what a shell would quote in another way. */
export function mayGoOn(path: string, text: string): boolean {
  const next = new RegExp(`${escaped(path)}(?: \\S|'\\$')`);
  return next.test(text) && !(path.includes(" ") && !text.includes(`${path}'$'`));
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
