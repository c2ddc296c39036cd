/**
 * Unveil entries, `MODE:PATH`: which path a task may reach, and how. The mode is
 * one or more of the letters, in any order; one that is there twice counts once:
 *
 * - `r` read files and list folders,
 * - `w` write and truncate files,
 * - `x` execute files, which the kernel has to be able to read, too: `rx`,
 * - `c` (folders) create, rename, link and remove what is in them; open(2) creates
 *   a file only together with `w`,
 *
 * and ends at the first colon, so a path may contain colons. What the letters
 * mean to the kernel is told in src/effects/landlock/access.ts.
 */
import { DriverError } from "../../errors.ts";

export interface UnveilMode {
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  readonly create: boolean;
}

/**
 * Who asks for a path: the default paths, the options of the plugin or the
 * task, the task's own folders, its log pipes, or what is mounted for it.
 */
export type UnveilSource = "default" | "plugin" | "task" | "folder" | "log" | "volume" | "device";

export interface UnveilEntry {
  /** Absolute, without empty, `.` and `..` segments. */
  readonly path: string;
  readonly mode: UnveilMode;
  readonly source: UnveilSource;
}

/** What is wrong with an entry, and what to write instead. */
export interface UnveilProblem {
  readonly message: string;
  readonly hint: string;
}

/**
 * Reads one entry.
 * @throws DriverError `CONFIG_INVALID` that names the entry
 */
export function parseUnveil(entry: string, source: UnveilSource): UnveilEntry {
  const problem = unveilProblem(entry);
  if (problem !== undefined) {
    throw new DriverError("CONFIG_INVALID", `The unveil entry ${JSON.stringify(entry)} ${problem.message}`, {
      hint: problem.hint,
    });
  }
  const colon = entry.indexOf(":");
  return { path: normalise(entry.slice(colon + 1)), mode: modeOf(entry.slice(0, colon)), source };
}

/** What is wrong with an entry, or undefined where nothing is; the message continues "the entry …". */
export function unveilProblem(entry: string): UnveilProblem | undefined {
  if (entry === "") return { message: "is empty", hint: USAGE };
  const colon = entry.indexOf(":");
  if (colon === -1) return { message: "has no colon between mode and path", hint: USAGE };
  return modeProblem(entry.slice(0, colon)) ?? pathProblem(entry.slice(colon + 1));
}

/** The letters of a mode, always in the order `rwxc`; empty for a mode that allows nothing. */
export function formatMode(mode: UnveilMode): string {
  return LETTERS.filter(([, allows]) => mode[allows])
    .map(([letter]) => letter)
    .join("");
}

/** The entry as one would write it. */
export function formatUnveil({ mode, path }: Pick<UnveilEntry, "mode" | "path">): string {
  return `${formatMode(mode)}:${path}`;
}

/** All that either of the modes allows. */
export function unionOfModes(one: UnveilMode, other: UnveilMode): UnveilMode {
  return {
    read: one.read || other.read,
    write: one.write || other.write,
    execute: one.execute || other.execute,
    create: one.create || other.create,
  };
}

/** Whether a path is the folder itself or lies below it; both normalised. */
export function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

const USAGE = 'Write MODE:PATH, the mode one or more of r, w, x and c, for instance "r:/srv/www"';

const LETTERS = [
  ["r", "read"],
  ["w", "write"],
  ["x", "execute"],
  ["c", "create"],
] as const satisfies readonly (readonly [string, keyof UnveilMode])[];

function modeOf(letters: string): UnveilMode {
  return {
    read: letters.includes("r"),
    write: letters.includes("w"),
    execute: letters.includes("x"),
    create: letters.includes("c"),
  };
}

function modeProblem(letters: string): UnveilProblem | undefined {
  if (letters === "") return { message: "has no mode before its colon", hint: USAGE };
  const unknown = [...letters].find((letter) => !LETTERS.some(([known]) => known === letter));
  if (unknown === undefined) return undefined;
  return { message: `has the unknown mode letter ${JSON.stringify(unknown)}`, hint: USAGE };
}

function pathProblem(path: string): UnveilProblem | undefined {
  if (path === "") return { message: "has no path after its colon", hint: USAGE };
  if (!path.startsWith("/")) {
    return { message: "has a path that is not absolute", hint: "Write the whole path, from / on" };
  }
  if (path.includes("\0")) return { message: "has a NUL byte in its path", hint: USAGE };
  const pattern = /[*?[]/.exec(path);
  if (pattern !== null) {
    return {
      message: `has the pattern character ${JSON.stringify(pattern[0])} in its path`,
      hint: "Patterns are not expanded: name the folder, and everything below it is reachable",
    };
  }
  // Where `..` leads depends on the symlinks of each host (`/a/link/..` is not `/a`), so taking it out
  // could unveil another path than the kernel would find, and leaving it in hides from who reads the
  // option what it opens. There is always a way to write the same path without it.
  if (path.split("/").includes("..")) {
    return { message: 'has a ".." in its path', hint: "Write the path that it leads to" };
  }
  return undefined;
}

/** Takes out what never changes where a path leads: empty and `.` segments. */
function normalise(path: string): string {
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".");
  return `/${segments.join("/")}`;
}
