/** Options of the form name=value that may be repeated. */
import { InvalidArgumentError } from "commander";

/** All values of each name, in order. */
export type Assignments = Readonly<Record<string, readonly string[]>>;

/** An option parser for commander that collects repeated assignments. */
export function collectAssignment(text: string, before: Assignments = {}): Assignments {
  const [, name, value] = /^([^=\s]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError("It must be of the form name=value.");
  return { ...before, [name]: [...(before[name] ?? []), value] };
}

/** The last value of each name. */
export function single(assignments: Assignments = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(assignments).map(([name, values]) => [name, values.at(-1) ?? ""]));
}
