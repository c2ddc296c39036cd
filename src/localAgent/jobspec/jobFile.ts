/** The job file that is being read, and errors that show its name and source lines. Pure. */

import { DriverError } from "../../base/errors.ts";
import { type HostAccess, noHost } from "./expressions/functions/files.ts";
import { type Position, positionOfPlace, positionOfText } from "./source/positions.ts";
import { TemplateError } from "./templateError.ts";

export interface JobFile {
  /** The path as the user typed it. */
  readonly name: string;
  readonly source: string;
  /** Parts that a local run does not support, but skips on request, such as `artifact` (see keys.ts). */
  readonly skips: ReadonlySet<string>;
  /** What the file's functions reach outside of it. */
  readonly host: HostAccess;
  /** Collects, during reading, the parts that have no effect on a local run. */
  readonly ignored: Set<string>;
  /** Collects, during reading, the problems after which reading goes on. */
  readonly problems: FoundProblem[];
}

/** How a file is read. By default nothing is skipped, and functions reach nothing outside of the file. */
export interface FileReading {
  readonly skips?: readonly string[];
  readonly host?: HostAccess;
}

/** @param name the path as the user typed it */
export function jobFile(
  name: string,
  source: string,
  { skips = [], host = noHost }: FileReading = {},
): JobFile {
  return { name, source, skips: new Set(skips), host, ignored: new Set(), problems: [] };
}

export interface Problem {
  /** The place in the job, such as `job.web.group.main.task.server.config.args[0]`. */
  readonly place: string;
  readonly message: string;
  /** A text in the file. The error shows its source line. */
  readonly find?: string;
  /** The text around `find`, in case `find` occurs more than once. */
  readonly whole?: string | undefined;
  readonly hint?: string | undefined;
}

/** A problem, and its position in the file. */
export interface FoundProblem extends Problem {
  readonly file: string;
  /** Undefined if the position is unknown. */
  readonly position: Position | undefined;
  /** The source line with a caret below the column; empty if the line may hold a password. */
  readonly excerpt: string;
}

/** The error for an invalid file, with all of its problems. */
export class InvalidFile extends DriverError {
  readonly problems: readonly FoundProblem[];

  /** @param problems at least one */
  constructor(problems: readonly FoundProblem[]) {
    const [only, second] = problems;
    const hint = second === undefined ? only?.hint : undefined;
    super("JOB_INVALID", summaryOf(problems), hint === undefined ? {} : { hint });
    this.problems = problems;
  }
}

/** Places whose source lines may hold passwords. Errors show only the numbers of such lines. */
const holdsSecrets = /\.(env|template)\b/;

/** @throws InvalidFile always: `JOB_INVALID`, with file, place and, if found, the source line */
export function rejectJob(file: JobFile, problem: Problem): never {
  throw new InvalidFile([located(file, problem)]);
}

/**
 * Calls `work`, and collects its problems in the file, so that all problems of the file are reported at once.
 * @returns undefined after a problem
 */
export function attempt<T>(file: JobFile, work: () => T): T | undefined {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof InvalidFile)) throw thrown;
    file.problems.push(...thrown.problems);
    return undefined;
  }
}

/** @throws InvalidFile if problems were collected */
export function throwCollected({ problems }: JobFile): void {
  // Reading goes on after an error, so it may find the same problem twice.
  const once = problems.filter((each, index) => problems.findIndex((other) => isSame(other, each)) === index);
  if (once.length > 0) throw new InvalidFile(once.toSorted((a, b) => lineOf(a) - lineOf(b)));
}

function isSame(a: Problem, b: Problem): boolean {
  return a.place === b.place && a.message === b.message;
}

function lineOf({ position }: FoundProblem): number {
  return position?.line ?? 0;
}

/** A problem as text, with its source line. */
function problemText({ file, position, place, message, excerpt }: FoundProblem): string {
  const at = position ? `:${position.line}:${position.column}` : "";
  return `${file}${at}: ${place === "" ? "" : `${place}: `}${message}${excerpt === "" ? "" : `\n${excerpt}`}`;
}

/** A problem with its position, if the position can be found in the file's text. */
export function located(file: JobFile, problem: Problem): FoundProblem {
  const { place, find, whole } = problem;
  // A missing attribute has no position, so the position of the block around it is used.
  const ofPlace =
    positionOf(file, place) ?? positionOf(file, place.slice(0, Math.max(0, place.lastIndexOf("."))));
  const position = (find === undefined ? undefined : positionOfText(file.source, find, whole)) ?? ofPlace;
  return problemAt(file, problem, position);
}

function positionOf({ source }: JobFile, place: string): Position | undefined {
  return place === "" ? undefined : positionOfPlace(source, place);
}

/** Adds a position to a problem. @param position undefined if it is unknown */
export function problemAt(file: JobFile, problem: Problem, position: Position | undefined): FoundProblem {
  const shown = position !== undefined && !holdsSecrets.test(problem.place);
  const excerpt = shown ? excerptAt(file.source, position) : "";
  return { ...problem, file: file.name, position, excerpt };
}

function summaryOf(problems: readonly FoundProblem[]): string {
  const [first] = problems;
  if (problems.length === 1 && first) return problemText(first);
  const texts = problems.map((each) => `${problemText(each)}${each.hint ? `\n  ${each.hint}` : ""}`);
  return `${first?.file} has ${problems.length} errors:\n${texts.join("\n")}`;
}

/**
 * One source line with its number, and a caret below the column. A long line is cut to the part around the
 * column.
 */
function excerptAt(source: string, { line, column }: Position): string {
  const whole = source.split("\n")[line - 1]?.replaceAll("\t", " ").trimEnd() ?? "";
  const from = whole.length <= maxExcerpt ? 0 : Math.max(0, column - maxExcerpt / 2);
  const text = whole.slice(from, from + maxExcerpt);
  const margin = `  ${line} | `;
  return `${margin}${text}\n${" ".repeat(margin.length - 2)}| ${" ".repeat(Math.max(0, column - 1 - from))}^`;
}

/** Maximum length of an excerpt, in characters. */
const maxExcerpt = 160;

/**
 * Evaluates the value at a place of the file. A TemplateError becomes a `JOB_INVALID` that names the place.
 */
export function evaluateAt<T>(file: JobFile, place: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof TemplateError)) throw thrown;
    return rejectJob(file, {
      place: placeOf(place, thrown.path),
      message: thrown.message,
      find: thrown.text,
      whole: thrown.whole,
    });
  }
}

/**
 * The place to which these steps lead, with the indexes of lists, but without the indexes of blocks: the
 * parser returns blocks as entries of lists.
 */
export function placeOf(place: string, steps: readonly (string | number)[]): string {
  return steps.reduce<string>((path, step, index) => {
    if (typeof step === "string") return inside(path, step);
    const isBlock = typeof steps[index + 1] === "string";
    return isBlock ? path : `${path}[${step}]`;
  }, place);
}

/** The place of a key in the body at a place. */
export function inside(place: string, key: string): string {
  return place === "" ? key : `${place}.${key}`;
}
