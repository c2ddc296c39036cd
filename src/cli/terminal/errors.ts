/** Formats errors for people: the problem, then the hint, without a stack. */
import { constants } from "node:os";
import { getSystemErrorMessage } from "node:util";
import { DriverError, type FailedCall, messageOf } from "../../base/errors.ts";
import { visibleLines } from "../../units/visible.ts";
import { wrap } from "../../units/widths.ts";
import { type Style, styleFor, widthOf } from "./style.ts";

/**
 * The text begins with the error's code, which docs/errors.md explains. Foreign text in the error cannot
 * begin a line: only the code and `hint:` do.
 */
export function formatError(thrown: unknown, style: Style, width: number): string {
  const { code = "error", summary, failed, hint } = partsOf(thrown);
  const problem = paragraph(style.red(`${code}:`), inWords(summary, failed), width);
  const advice = hint ?? adviceOn(failed?.errno);
  return advice ? `${problem}\n${paragraph(style.cyan("hint:"), advice, width)}` : problem;
}

interface ErrorParts extends Pick<DriverError, "summary" | "failed" | "hint"> {
  readonly code?: string;
}

function partsOf(thrown: unknown): ErrorParts {
  if (thrown instanceof DriverError) return thrown;
  const { failed, hint } = DriverError.from(thrown, "PLUGIN_FAILED", "");
  return { failed, hint, summary: failed ? "" : messageOf(thrown) };
}

/**
 * Adds the failed call to a summary, with the errno in words. The names of calls on files are left out,
 * because path and errno are enough.
 */
export function inWords(summary: string, failed: FailedCall | undefined): string {
  if (failed === undefined) return summary;
  const { call, path, errno } = failed;
  const isOnFile = fileCalls.has(call);
  const named = path === undefined || (isOnFile && summary.includes(path)) ? [] : [path];
  const what = [...(isOnFile ? [] : [call]), ...named].join(" ");
  return [summary, what, errno === undefined ? "" : errnoText(errno)]
    .filter((part) => part !== "")
    .join(": ");
}

const fileCalls: ReadonlySet<string> = new Set(
  (
    "access chmod chown commit connect copyfile link listen lstat mkdir mkdtemp " +
    "open openat2 read readlink realpath rename rm rmdir scandir stat statfs symlink unlink watch write"
  ).split(" "),
);

function adviceOn(errno = ""): string | undefined {
  if (errno === "EACCES" && process.geteuid?.() !== 0) return "Try again with sudo";
  return hints[errno];
}

/** Advice on an errno, for errors that have no hint. */
const hints: Readonly<Record<string, string>> = {
  EDQUOT: "Free space in the quota of this user",
  EMFILE: "Raise the limit of open files: ulimit -n",
  ENOSPC: "Free space on that file system: df shows which is full",
  EROFS: "That file system is read-only: choose another place, or mount it read-write",
};

/** Indents all lines but the first: a foreign name in the text may hold a newline. */
function paragraph(head: string, text: string, width: number): string {
  const [first = "", ...rest] = visibleLines(text).split("\n");
  const indented = rest.map((line) => (line.startsWith(" ") ? line : `  ${line}`));
  return [...wrap(`${head} ${first}`, width), ...indented].join("\n");
}

/** Writes a warning to standard error. */
export function warn(text: string): void {
  const style = styleFor(process.stderr);
  process.stderr.write(`${paragraph(style.yellow("warning:"), text, widthOf(process.stderr))}\n`);
}

/** Writes an error to standard error. */
export function printError(thrown: unknown): void {
  process.stderr.write(`${formatError(thrown, styleFor(process.stderr), widthOf(process.stderr))}\n`);
}

/**
 * Runs a comparison. Its exit code 1 means that something differs, so an error needs another code.
 * @returns the comparison's exit code; 2 after a `DriverError`, which is printed
 */
export async function codeOfComparison(work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    printError(thrown);
    return 2;
  }
}

/** Texts for errors that are not errnos of the kernel, or for which libuv's text is meant for programmers. */
const texts: Readonly<Record<string, string>> = {
  EISDIR: "is a directory",
  ENOTFOUND: "there is no host of this name",
};

const numbers: Readonly<Record<string, number>> = constants.errno;

/** A symbolic errno in words: `ENOSPC` is `no space left on device`. */
export function errnoText(errno: string): string {
  const number = numbers[errno];
  if (texts[errno] !== undefined) return texts[errno];
  return number === undefined ? errno : getSystemErrorMessage(-number);
}
