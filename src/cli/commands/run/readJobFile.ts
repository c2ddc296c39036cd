import { DriverError } from "../../../base/errors.ts";
import { suggestion } from "../../../base/suggest.ts";
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
}

/**
 * Takes the options of a job file from the command line, and reads the files with values of variables.
 * @throws DriverError `JOB_INVALID`
 */
export async function readJobOptions(options: JobFileOptions): Promise<JobOptions> {
  const { varFile = [], skip: skips = [] } = options;
  return { variables: single(options.var), variableFiles: await readVariableFiles(varFile), skips };
}

/**
 * @param path `-` reads standard input
 * @param skips parts to leave out, by name
 * @throws DriverError `JOB_INVALID`; `CONFIG_INVALID` for an unknown part in `skips`
 */
export async function readJobFile(path: string, skips: readonly string[] = []): Promise<JobFile> {
  for (const name of skips) {
    if (skippable().includes(name)) continue;
    throw new DriverError("CONFIG_INVALID", `--skip ${name}: there is no such part to leave out`, {
      hint: suggestion(name, skippable()),
    });
  }
  const text = await readTextFile(path, "JOB_INVALID", "job file");
  return jobFile(path === "-" ? "standard input" : path, text, skips);
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
