/**
 * Unveil entries, `MODE:PATH`: a path that a task may access, and how. The mode is one or more of these
 * letters, in any order:
 *
 * - `r` read files and list folders,
 * - `w` write and truncate files, control devices, connect to sockets,
 * - `x` execute files (the kernel also reads them, so a program needs `rx`),
 * - `c` create, rename, link and remove entries of folders. To create a file, open(2) also needs `w`.
 *
 * A letter may be repeated. The mode ends at the first colon, so a path may contain colons.
 * src/effects/landlock/rights.ts maps the letters to the kernel's rights. Pure.
 */

import { DriverError } from "../../base/errors.ts";
import type { OptionProblem } from "../options/optionProblem.ts";
import { namesOf, type PathAccess } from "../paths/paths.ts";

/** The access that a mode's letters allow. */
export type UnveilMode = PathAccess;

/**
 * Where an entry comes from: the default paths, the options of the plugin or the
 * task, the task's own folders, its log pipes, its volumes, devices and `mount` blocks, or the folder of its root.
 */
export type UnveilSource =
  | "default"
  | "plugin"
  | "task"
  | "folder"
  | "log"
  | "volume"
  | "device"
  | "mount"
  | "root_dir"
  | "cgroup_delegate";

export interface UnveilEntry {
  /** Absolute, without empty, `.` and `..` segments. */
  readonly path: string;
  readonly mode: UnveilMode;
  readonly source: UnveilSource;
  /** Set if the entry is left out where its path does not exist. */
  readonly optional?: true;
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
  return { path: normalize(entry.slice(colon + 1)), mode: modeOf(entry.slice(0, colon)), source };
}

/** The problem with an entry; undefined for a valid one. The message continues "the entry …". */
export function unveilProblem(entry: string): OptionProblem | undefined {
  if (entry === "") return { message: "is empty", hint: USAGE };
  const colon = entry.indexOf(":");
  if (colon === -1) return { message: "has no colon between mode and path", hint: USAGE };
  return modeProblem(entry.slice(0, colon)) ?? pathProblem(entry.slice(colon + 1));
}

/** The letters of a mode in the order `rwxc`; empty for a mode that allows nothing. */
export function formatMode(mode: UnveilMode): string {
  // A plain loop is faster, and a start formats some fifty modes.
  let letters = "";
  for (const [letter, allows] of LETTERS) if (mode[allows]) letters += letter;
  return letters;
}

/** An entry as text, in the form of the options. */
export function formatUnveil({ mode, path }: Pick<UnveilEntry, "mode" | "path">): string {
  return `${formatMode(mode)}:${path}`;
}

/** The mode that allows everything that either of the two modes allows. */
export function unionOfModes(one: UnveilMode, other: UnveilMode): UnveilMode {
  return {
    read: one.read || other.read,
    write: one.write || other.write,
    execute: one.execute || other.execute,
    create: one.create || other.create,
  };
}

const USAGE = 'Write MODE:PATH, where the mode is one or more of r, w, x and c, for instance "r:/srv/www"';

const LETTERS = [
  ["r", "read"],
  ["w", "write"],
  ["x", "execute"],
  ["c", "create"],
] as const satisfies readonly (readonly [string, keyof UnveilMode])[];

/** The mode of a text's letters. Letters other than r, w, x and c allow nothing. */
export function modeOf(letters: string): UnveilMode {
  return {
    read: letters.includes("r"),
    write: letters.includes("w"),
    execute: letters.includes("x"),
    create: letters.includes("c"),
  };
}

function modeProblem(letters: string): OptionProblem | undefined {
  if (letters === "") return { message: "has no mode before its colon", hint: USAGE };
  const unknown = [...letters].find((letter) => !LETTERS.some(([known]) => known === letter));
  if (unknown === undefined) return undefined;
  return { message: `has the unknown mode letter ${JSON.stringify(unknown)}`, hint: USAGE };
}

function pathProblem(path: string): OptionProblem | undefined {
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
  // Where `..` leads depends on the host's symlinks: `/a/link/..` is not always `/a`. If `..` were resolved
  // here, the entry could unveil a path other than the path that the kernel finds. If `..` were kept, a
  // reader could not see which path the entry opens. Every path can be written without `..`.
  if (path.split("/").includes("..")) {
    return {
      message: 'has a ".." in its path',
      hint: 'Write the resulting path, without ".."',
    };
  }
  return undefined;
}

/** Removes empty and `.` segments, which never change where a path leads. */
function normalize(path: string): string {
  return `/${namesOf(path).join("/")}`;
}

/** Whether an unveiled path, as the event `sandboxed` lists it, is a folder of the task's own. */
export function isTaskFolder({ source }: { readonly source: string }): boolean {
  return source.split(", ").includes("folder");
}
