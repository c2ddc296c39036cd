/** The job file that is being read, and errors that show its name and source lines. Pure. */

import { DriverError } from "../../base/errors.ts";
import { countOf } from "../../units/counts.ts";
import { type HostAccess, noHost } from "./expressions/functions/files.ts";
import type { ServerValues } from "./goTemplate/serverValues.ts";
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
  /** The tasks to run; undefined means all. */
  readonly tasks: ReadonlySet<string> | undefined;
  /** Values of references such as `meta.rack` and `attr.cpu.modelname`, beside those of this host. */
  readonly node: Readonly<Record<string, string>>;
  readonly dispatch: Dispatch;
  /** Addresses of Connect's upstreams, by their names. */
  readonly upstreams: Readonly<Record<string, string>>;
  /** Values for templates' functions that ask a server. */
  readonly servers: ServerValues;
  /** Paths of host volumes by name. */
  readonly hostVolumes: ReadonlyMap<string, string>;
  /** Collects, during reading, the parts that have no effect on a local run. */
  readonly ignored: Set<string>;
  /** Collects, during reading, variables of metadata that a dispatch must give and does not. */
  readonly absent: Set<string>;
  /** Collects places of texts with references that have no value. What they are is not checked. */
  readonly unresolved: Set<string>;
  /** Collects, during reading, the problems after which reading goes on. */
  readonly problems: FoundProblem[];
}

/** The dispatch of a parameterized job. */
export interface Dispatch {
  readonly meta: Readonly<Record<string, string>>;
  readonly payload: Uint8Array | undefined;
}

/** How a file is read. By default nothing is skipped, and functions reach nothing outside of the file. */
export interface FileReading
  extends Partial<Pick<JobFile, "host" | "node" | "dispatch" | "upstreams" | "servers" | "hostVolumes">> {
  readonly skips?: readonly string[];
  /** No names mean all tasks. */
  readonly tasks?: readonly string[];
}

/** @param name the path as the user typed it */
export function jobFile(name: string, source: string, reading: FileReading = {}): JobFile {
  const { skips = [], tasks = [], ...given } = reading;
  return {
    name,
    source,
    skips: new Set(skips),
    tasks: tasks.length === 0 ? undefined : new Set(tasks),
    ...{ host: noHost, node: {}, dispatch: noDispatch, upstreams: {}, servers: {}, hostVolumes: new Map() },
    ...given,
    ignored: new Set(),
    absent: new Set(),
    unresolved: new Set(),
    problems: [],
  };
}

const noDispatch: Dispatch = { meta: {}, payload: undefined };

export interface Problem {
  /** The place in the job, such as `job.web.group.main.task.server.config.args[0]`. */
  readonly place: string;
  readonly message: string;
  /** A text in the file. The error shows its source line. */
  readonly find?: string;
  /** The text around `find`, in case `find` occurs more than once. */
  readonly whole?: string | undefined;
  readonly hint?: string | undefined;
  /** Whether the part is valid, but needs something that a local run lacks. Otherwise the part is wrong. */
  readonly lacking?: boolean | undefined;
  /** The name with which `--skip` leaves out a part that a local run lacks. */
  readonly skip?: string | undefined;
}

/** A problem, and its position in the file. */
export interface FoundProblem extends Problem {
  readonly file: string;
  /** Undefined if the position is unknown. */
  readonly position: Position | undefined;
  /** The source line with a caret below the column; empty if the line may hold a password. */
  readonly excerpt: string;
}

/**
 * The error for a file with problems: `JOB_INVALID`, or `JOB_NEEDS_CLUSTER` if the file is valid, but a local
 * run lacks what it needs.
 */
export class InvalidFile extends DriverError {
  readonly problems: readonly FoundProblem[];

  /** @param problems none if the file has collected all of them already */
  constructor(problems: readonly FoundProblem[]) {
    const isValid = problems.every(({ lacking }) => lacking);
    super(isValid ? "JOB_NEEDS_CLUSTER" : "JOB_INVALID", summaryOf(problems), { hint: hintOf(problems) });
    this.problems = problems;
  }
}

/** Places whose source lines may hold passwords. Errors show only the numbers of such lines. */
const holdsSecrets = /\.(env|template)\b/;

/** @throws InvalidFile always, with file, place and, if found, the source line */
export function rejectJob(file: JobFile, problem: Problem): never {
  throw new InvalidFile([located(file, problem)]);
}

/** Collects a problem in the file, after which reading goes on. */
export function report(file: JobFile, problem: Problem): void {
  file.problems.push(located(file, problem));
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

/** The collected problems, in the order of their lines. */
export function collected({ problems }: JobFile): readonly FoundProblem[] {
  // Reading goes on after an error, so it may find the same problem twice.
  const seen = new Set<string>();
  const once = problems.filter((each) => {
    const keys = keysOf(each);
    const isNew = !keys.some((key) => seen.has(key));
    for (const key of keys) seen.add(key);
    return isNew;
  });
  return once.toSorted((a, b) => lineOf(a) - lineOf(b));
}

/** @throws InvalidFile if problems were collected */
export function throwCollected(file: JobFile): void {
  if (file.problems.length > 0) throw new InvalidFile(collected(file));
}

/** Problems with a key in common are the same: one message, at one place or in one line. */
function keysOf({ message, place, position }: FoundProblem): string[] {
  const ofPlace = JSON.stringify([message, place]);
  return position === undefined ? [ofPlace] : [ofPlace, JSON.stringify([message, position.line])];
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
  const ofText = find === undefined ? undefined : positionOfText(file.source, find, whole);
  return problemAt(file, problem, ofText ?? positionOf(file, place));
}

/** The position of a place, or of the innermost block around it that has one: what is missing has none. */
function positionOf(file: JobFile, place: string): Position | undefined {
  if (place === "") return undefined;
  const around = place.slice(0, Math.max(0, place.lastIndexOf(".")));
  return positionOfPlace(file.source, place) ?? positionOf(file, around);
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
  const [wrong, lacking] = [false, true].map((value) => problems.filter((each) => !each.lacking !== value));
  const texts = [
    wrong?.length ? `${first?.file} has ${countOf(wrong.length, "error")}:\n${listOf(wrong)}` : [],
    lacking?.length
      ? `${first?.file} needs ${countOf(lacking.length, "thing")} that a local run lacks:\n${listOf(lacking)}`
      : [],
  ];
  return texts.flat().join("\n");
}

function listOf(problems: readonly FoundProblem[]): string {
  // One hint at the end names all parts that can be skipped.
  return problems
    .map((each) => `${problemText(each)}${each.hint && !each.skip ? `\n  ${each.hint}` : ""}`)
    .join("\n");
}

/** Of several problems, one hint names all parts that can be skipped. */
function hintOf(problems: readonly FoundProblem[]): string | undefined {
  if (problems.length === 1) return problems[0]?.hint;
  const names = new Set(problems.flatMap(({ skip = [] }) => skip));
  if (names.size === 0) return undefined;
  return `--skip ${[...names].join(",")} goes on without ${names.size === 1 ? "this part" : "these parts"}.`;
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
 * Evaluates the value at a place of the file. A TemplateError becomes an InvalidFile that names the place.
 */
export function evaluateAt<T>(file: JobFile, place: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof TemplateError)) throw thrown;
    if (thrown.fault === "reported") throw new InvalidFile([]);
    return rejectJob(file, {
      place: placeOf(place, thrown.path),
      message: thrown.message,
      lacking: thrown.fault === "lacking",
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

/** The place of one of several blocks of the same type. */
export function numbered(place: string, index: number, { length }: { readonly length: number }): string {
  return length > 1 ? `${place}[${index}]` : place;
}

/** The place of a key in the body at a place. */
export function inside(place: string, key: string): string {
  return place === "" ? key : `${place}.${key}`;
}

/** Whether a place is this one, or in it. */
export function isAtOrIn(place: string, around: string): boolean {
  return place === around || (place.startsWith(around) && /^[.[]/.test(place.slice(around.length)));
}
