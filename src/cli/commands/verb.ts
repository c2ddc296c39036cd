/** Shared by the declarations of verbs: their type, common arguments and options, and parsers of values. */
import { type Command, InvalidArgumentError } from "commander";
import { defaultStateDir } from "../../base/defaultStateDir.ts";

/**
 * Adds one verb to the command line. Code beyond the verb's help is loaded when the verb runs.
 * @param exit receives the verb's exit code
 */
export type AddVerb = (program: Command, exit: (code: number) => void) => void;

/** Descriptions of arguments that name tasks. */
export const anyTask = "name of a task (web, web[0]), start of its allocation's id, or the task's whole id";
export const anyTasks = "names of tasks, starts of their allocations' ids, or whole ids of tasks";
export const runningTask =
  "name of a running task (web, web[0]), start of its allocation's id, or the task's whole id";
export const taskOrBundle = `${anyTask}; or a bundle`;

/** The constants below hold the arguments for commander's `option`. */
export const stateDirOption = [
  "--state-dir <folder>",
  "the driver's state_dir",
  parseFolder,
  defaultStateDir,
] as const;

export const stateDirOrBundleOption = [
  "--state-dir <folder>",
  "the driver's state_dir, or a bundle",
  parseFolder,
  defaultStateDir,
] as const;

export const jsonOption = ["--json", "print JSON"] as const;

export const jsonLinesOption = ["--json", "print JSON, one object per line"] as const;

export const showArgsOption = [
  "--show-args",
  "show arguments of commands, which may contain secrets",
] as const;

/** Limits a table to the newest tasks. */
export const lastOption = [
  "-n, --last <count>",
  "list at most this many tasks, the newest; 0 lists all",
  parseCount,
  100,
] as const;

/** Chooses one of the runs of a task. */
export const runOption = [
  "--run <n>",
  "an earlier run of the task; -1 is the previous one",
  parseRun,
] as const;

/** Adds the options that say how to read a job file. */
export function withJobFileOptions(command: Command): Command {
  return command
    .option("--var <name=value>", "set a variable of the job; repeatable", collectAssignment)
    .option("--var-file <file>", "file with values of variables, HCL or JSON; repeatable", collect)
    .option(
      "--skip <names>",
      "leave out parts that a local run does not have, such as artifact,vault; repeatable",
      collectNames,
    )
    .option(
      "--files <folder>",
      "let functions of the job file, such as file(), read files only below this folder",
    )
    .option("--no-files", "let functions of the job file read no files")
    .option("--task <name>", "only this task of the job; repeatable", collect)
    .option(
      "--meta <name=value>",
      "metadata of the dispatch of a parameterized job; repeatable",
      collectAssignment,
    )
    .option("--payload <file>", "payload of the dispatch of a parameterized job")
    .option(
      "--node-meta <name=value>",
      "metadata of the node, for meta.NAME in the job; repeatable",
      collectAssignment,
    )
    .option(
      "--node-attr <name=value>",
      "attribute of the node, for attr.NAME in the job; repeatable",
      collectAssignment,
    )
    .option(
      "--values <file>",
      "file with values for what templates ask of servers, HCL or JSON; validate --values-template prints an example",
    )
    .option(
      "--host-volume <name=path>",
      "path of a host volume, as in a client's configuration; repeatable",
      collectAssignment,
    )
    .option(
      "--upstream <name=address>",
      "address of an upstream of Connect, such as api=127.0.0.1:9000; implies --skip connect; repeatable",
      collectAssignment,
    );
}

export const pluginOption = [
  "-o, --option <name=value>",
  "plugin option; repeatable, for lists",
  collectAssignment,
] as const;

export const pluginConfigOption = [
  "--plugin-config <file>",
  "file with the plugin's options, alone or in the plugin block of an agent's configuration",
] as const;

/** The values of the options that say how to read a job file. */
export interface JobFileOptions {
  readonly var?: Assignments;
  readonly varFile?: readonly string[];
  readonly skip?: readonly string[];
  /** False for `--no-files`. */
  readonly files?: string | boolean;
  readonly task?: readonly string[];
  readonly meta?: Assignments;
  readonly payload?: string;
  readonly nodeMeta?: Assignments;
  readonly nodeAttr?: Assignments;
  readonly values?: string;
  readonly hostVolume?: Assignments;
  readonly upstream?: Assignments;
  readonly option?: Assignments;
  readonly pluginConfig?: string;
}

/** All values of each name, in order. */
export type Assignments = Readonly<Record<string, readonly string[]>>;

/** The last value of each name. */
export function single(assignments: Assignments = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(assignments).map(([name, values]) => [name, values.at(-1) ?? ""]));
}

/** An empty value, as of a variable that is not set, would mean the current folder. */
export function parseFolder(text: string): string {
  if (text === "") throw new InvalidArgumentError("Expected a folder.");
  return text;
}

/** A parser for a repeatable option. */
export function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** A parser for a repeatable option whose values are assignments. */
export function collectAssignment(text: string, before: Assignments = {}): Assignments {
  const [, name, value] = /^([^=\s]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError("Expected name=value.");
  return { ...before, [name]: [...(before[name] ?? []), value] };
}

/** A parser for a repeatable option whose values are names with commas between them. */
function collectNames(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(",").map((name) => name.trim())];
}

/** Parses the value of `--run`, such as -1. Returns the number of runs to go back from the newest run. */
function parseRun(text: string): number {
  if (/^(0|-\d+)$/.test(text)) return Math.abs(Number(text));
  throw new InvalidArgumentError("Expected 0 for the newest run, -1 for the previous one, and so on.");
}

function parseCount(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number; 0 for all.");
}
