import { DriverError } from "../../../base/errors.ts";
import { suggestion } from "../../../base/suggest.ts";
import { hostAccess, type ReadableFiles } from "../../../localAgent/files/hostAccess.ts";
import { readTextFile } from "../../../localAgent/files/textFile.ts";
import { type JobFile, jobFile } from "../../../localAgent/jobspec/jobFile.ts";
import { skippable } from "../../../localAgent/jobspec/keys.ts";
import type { VariableSources } from "../../../localAgent/jobspec/resolve/variables.ts";
import { parseFile } from "../../../localAgent/jobspec/syntax.ts";
import { type JobFileOptions, single } from "../verb.ts";

/** How a job file is read. */
export interface JobOptions {
  /** Values of variables, from the command line. */
  readonly variables: Readonly<Record<string, string>>;
  /** Values of variables, from files. */
  readonly variableFiles: Readonly<Record<string, unknown>>;
  /** Parts of the job to leave out, by name. */
  readonly skips: readonly string[];
  /** The files that the job file's functions may read. */
  readonly files: ReadableFiles;
}

/**
 * Takes the options of a job file from the command line, and reads the files with values of variables.
 * @throws DriverError `JOB_INVALID`
 */
export async function readJobOptions(options: JobFileOptions): Promise<JobOptions> {
  const { varFile = [], skip: skips = [], files = true } = options;
  return {
    variables: single(options.var),
    variableFiles: await readVariableFiles(varFile),
    skips,
    files: files === true ? "all" : files === false ? "none" : { below: files },
  };
}

/**
 * @param path `-` reads standard input
 * @throws DriverError `JOB_INVALID`; `CONFIG_INVALID` for an unknown part in `options.skips`
 */
export async function readJobFile(path: string, options: JobOptions): Promise<JobFile> {
  const { skips } = options;
  for (const name of skips) {
    if (skippable().includes(name)) continue;
    throw new DriverError("CONFIG_INVALID", `--skip ${name}: there is no such part to leave out`, {
      hint: suggestion(name, skippable()),
    });
  }
  const text = await readTextFile(path, "JOB_INVALID", "job file");
  return jobFileOf(path === "-" ? "standard input" : path, text, options);
}

/** @param name the path as the user typed it */
export function jobFileOf(name: string, source: string, { skips, files }: JobOptions): JobFile {
  return jobFile(name, source, { skips, host: hostAccess(name, files) });
}

/** Later files override earlier ones. */
async function readVariableFiles(paths: readonly string[]): Promise<Record<string, unknown>> {
  const values: Record<string, unknown> = {};
  for (const path of paths) {
    const file = jobFile(path, await readTextFile(path, "JOB_INVALID", "variable file"));
    Object.assign(values, await parseFile(file));
  }
  return values;
}

/** Where the values of a job's variables come from. */
export function variablesOf({
  variables,
  variableFiles = {},
}: Pick<JobOptions, "variables"> & Partial<JobOptions>): VariableSources {
  return { given: variables, files: variableFiles, environment: process.env };
}
