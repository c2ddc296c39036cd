/** Options that several verbs have, and parsers of their values. */
import { InvalidArgumentError } from "commander";

/** All values of each name, in order. */
export type Assignments = Readonly<Record<string, readonly string[]>>;

/** An option parser for commander that collects repeated assignments. */
export function collectAssignment(text: string, before: Assignments = {}): Assignments {
  const [, name, value] = /^([^=\s]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError("Expected name=value.");
  return { ...before, [name]: [...(before[name] ?? []), value] };
}

/** The last value of each name. */
export function single(assignments: Assignments = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(assignments).map(([name, values]) => [name, values.at(-1) ?? ""]));
}

/** An option parser for names with commas between them; the option may be repeated. */
function collectNames(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(",").map((name) => name.trim())];
}

/** The arguments of the option that leaves out parts of a job that a local run lacks. */
export const skipOption = [
  "--skip <names>",
  "leave out parts that are missing here, such as artifact,vault; repeatable",
  collectNames,
] as const;

/** The arguments of the option that names files of variables. */
export const variableFileOption = [
  "--var-file <file>",
  "file with values of variables, HCL or JSON; repeatable",
  (path: string, before: readonly string[] = []) => [...before, path],
] as const;

/** Parses the value of `--run`, such as -1, to the number of runs to go back from the newest one. */
function parseRun(text: string): number {
  if (/^(0|-\d+)$/.test(text)) return Math.abs(Number(text));
  throw new InvalidArgumentError("Expected 0 for the newest run, -1 for the previous one, and so on.");
}

function parseCount(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number; 0 for all.");
}

/** The arguments of the option that limits a table to the newest tasks. */
export const lastOption = [
  "-n, --last <count>",
  "list at most this many tasks, the newest; 0 lists all",
  parseCount,
  100,
] as const;

/** The arguments of the option that chooses one of the runs of a task. */
export const runOption = [
  "--run <n>",
  "an earlier run of the task; -1 is the previous one",
  parseRun,
] as const;
