/** HCL2's file functions. They reach only the files that the caller allows. Pure. */
import { DriverError } from "../../../../base/errors.ts";
import { byText } from "../values.ts";
import { type Functions, fail, takes, text } from "./define.ts";
import { noPatterns, type Patterns } from "./patterns.ts";

/** The access of a job file's functions to the host. Relative paths begin at the job file's folder. */
export interface HostAccess {
  /** @throws DriverError if the file cannot be read */
  readonly read: (path: string) => Buffer;
  /** @throws DriverError for a file that functions may not read */
  readonly exists: (path: string) => boolean;
  /** The paths of all files below a folder, relative to it. @throws DriverError */
  readonly filesBelow: (folder: string) => readonly string[];
  readonly absolute: (path: string) => string;
  readonly home: string;
  readonly randomUuid: () => string;
  readonly patterns: Patterns;
}

/** The access of a job file without a folder. Its functions reach no file. */
export const noHost: HostAccess = {
  read: refuse,
  exists: refuse,
  filesBelow: refuse,
  absolute: refuse,
  home: "~",
  randomUuid: refuse,
  patterns: noPatterns,
};

function refuse(): never {
  return fail("functions cannot read the host's files here");
}

export function hostFunctions(host: HostAccess): Functions {
  const content = (path: string) => told(() => host.read(path));
  return {
    abspath: takes([text], host.absolute),
    basename: takes([text], basename),
    dirname: takes([text], dirname),
    file: takes([text], (path) => {
      try {
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content(path));
      } catch (thrown) {
        if (!(thrown instanceof TypeError)) throw thrown;
        return fail(`${path} is not UTF-8: use filebase64 to read it`);
      }
    }),
    filebase64: takes([text], (path) => content(path).toString("base64")),
    fileexists: takes([text], (path) => told(() => host.exists(path))),
    fileset: takes([text, text], (folder, pattern) => {
      const matches = globPattern(pattern);
      return told(() => host.filesBelow(folder))
        .filter((path) => matches.test(path))
        .sort(byText);
    }),
    pathexpand: takes([text], (path) => path.replace(/^~(?=\/|$)/, () => host.home)),
    uuidv4: takes([], host.randomUuid),
  };
}

/** Turns an error of the host into one of the job file. */
function told<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    return fail(thrown.summary);
  }
}

function basename(path: string): string {
  const trimmed = path.replace(/\/+$/, "");
  if (trimmed === "") return path === "" ? "." : "/";
  return trimmed.slice(trimmed.lastIndexOf("/") + 1);
}

function dirname(path: string): string {
  const end = path.lastIndexOf("/");
  if (end < 0) return ".";
  return path.slice(0, end).replace(/\/+$/, "") || "/";
}

/** Translates a pattern with `*`, `**`, `?`, `[a-z]` and `{a,b}`. */
function globPattern(glob: string): RegExp {
  let braces = 0;
  const source = glob.replaceAll(/\*\*\/?|\*|\?|\[!?[^\]]+\]|[{},]|[.+^$()|\\\]]|\[/g, (part) => {
    if (part === "**/") return "(?:[^/]+/)*";
    if (part === "**") return ".*";
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    if (part.length > 1) return `[${part.slice(1, -1).replace(/^!/, "^").replaceAll("\\", "\\\\")}]`;
    if (part === "{" && ++braces) return "(?:";
    if (part === "}" && braces > 0 && braces--) return ")";
    if (part === ",") return braces > 0 ? "|" : ",";
    return `\\${part}`;
  });
  try {
    return new RegExp(`^${source}$`, "s");
  } catch {
    return fail("its pattern is invalid");
  }
}
