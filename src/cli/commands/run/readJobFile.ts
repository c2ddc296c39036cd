import { readTextFile } from "../../../client/files/textFile.ts";
import { DriverError } from "../../../errors.ts";
import { type JobFile, jobFile } from "../../../jobspec/jobFile.ts";
import { skippable } from "../../../jobspec/keys.ts";
import type { VariableSources } from "../../../jobspec/resolve/variables.ts";
import { parseFile } from "../../../jobspec/syntax.ts";
import { suggestion } from "../../../suggest.ts";

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

/**
 * The values in files of variables; later files override earlier ones.
 * @throws DriverError `JOB_INVALID`
 */
export async function readVariableFiles(paths: readonly string[]): Promise<Record<string, unknown>> {
  const values: Record<string, unknown> = {};
  for (const path of paths) {
    const file = jobFile(path, await readTextFile(path, "JOB_INVALID", "variable file"));
    Object.assign(values, await parseFile(file));
  }
  return values;
}

/**
 * Where the values of a job's variables come from.
 * @param variableFiles values from files
 */
export function variablesOf({
  variables,
  variableFiles = {},
}: {
  readonly variables: Readonly<Record<string, string>>;
  readonly variableFiles?: Readonly<Record<string, unknown>>;
}): VariableSources {
  return { given: variables, files: variableFiles, environment: process.env };
}
