/** A job file while it is being read: where errors get their file name and source line from. */
import { DriverError } from "../errors.ts";

export interface JobFile {
  /** As the person gave it. */
  readonly name: string;
  readonly source: string;
  /** Filled while reading: parts without effect on a local run. */
  readonly ignored: Set<string>;
}

/** @param name as the person gave it */
export function jobFile(name: string, source: string): JobFile {
  return { name, source, ignored: new Set() };
}

export interface Problem {
  /** Such as `job.web.group.main.task.server.config.args[0]`. */
  readonly place: string;
  readonly message: string;
  /** Text to look for in the source, so that its line can be shown. */
  readonly find?: string;
  readonly hint?: string;
}

/** Places whose lines are told by their number alone: they may hold passwords. */
const holdsSecrets = /\.(env|template)\b/;

/** @throws DriverError always: `JOB_INVALID`, with file, place and, where it can be found, the source line */
export function rejectJob(file: JobFile, { place, message, find, hint }: Problem): never {
  const position = find === undefined ? undefined : positionOf(file.source, find);
  const at = position ? `:${position.line}:${position.column}` : "";
  const shown = position && !holdsSecrets.test(place);
  const excerpt = shown ? `\n${excerptAt(file.source, position.line, position.column)}` : "";
  throw new DriverError(
    "JOB_INVALID",
    `${file.name}${at}: ${place === "" ? "" : `${place}: `}${message}${excerpt}`,
    hint === undefined ? {} : { hint },
  );
}

/** One source line with its number, and a caret below the column (both from 1). */
export function excerptAt(source: string, line: number, column: number): string {
  const text = source.split("\n")[line - 1]?.replaceAll("\t", " ").trimEnd() ?? "";
  const margin = `  ${line} | `;
  return `${margin}${text}\n${" ".repeat(margin.length - 2)}| ${" ".repeat(Math.max(0, column - 1))}^`;
}

/** The only place where a text stands in the source; undefined where it stands nowhere or more than once. */
function positionOf(source: string, text: string): { line: number; column: number } | undefined {
  const index = source.indexOf(text);
  if (text === "" || index < 0 || source.includes(text, index + 1)) return undefined;
  const before = source.slice(0, index);
  return { line: before.split("\n").length, column: index - before.lastIndexOf("\n") };
}
