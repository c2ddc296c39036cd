/** The job file that is being read: the source of file names and source lines in errors. */
import { DriverError } from "../errors.ts";

export interface JobFile {
  /** The path as the user typed it. */
  readonly name: string;
  readonly source: string;
  /** Collects, during reading, the parts that have no effect on a local run. */
  readonly ignored: Set<string>;
}

/** @param name the path as the user typed it */
export function jobFile(name: string, source: string): JobFile {
  return { name, source, ignored: new Set() };
}

export interface Problem {
  /** Such as `job.web.group.main.task.server.config.args[0]`. */
  readonly place: string;
  readonly message: string;
  /** Text whose source line the error shows. */
  readonly find?: string;
  readonly hint?: string;
}

/** Places whose source lines are never shown, only their numbers: they may hold passwords. */
const holdsSecrets = /\.(env|template)\b/;

/** @throws DriverError always: `JOB_INVALID`, with file, place and, if found, the source line */
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

/** The position of a text that occurs exactly once in the source; otherwise undefined. */
function positionOf(source: string, text: string): { line: number; column: number } | undefined {
  const index = source.indexOf(text);
  if (text === "" || index < 0 || source.includes(text, index + 1)) return undefined;
  const before = source.slice(0, index);
  return { line: before.split("\n").length, column: index - before.lastIndexOf("\n") };
}
