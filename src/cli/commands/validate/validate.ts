/** `validate`: checks files, and shows everything that is wrong in them. */
import type { LocalPluginConfig } from "../../../client/plugin/pluginConfig.ts";
import { checkFile } from "../../../client/validation/checkFile.ts";
import { type FoundProblem, InvalidFile } from "../../../jobspec/jobFile.ts";
import { visible, visibleJson } from "../../../units/visible.ts";
import { printError } from "../../terminal/errors.ts";
import { print } from "../../terminal/output.ts";
import { readJobFile } from "../run/readJobFile.ts";

export interface ValidateOptions {
  readonly config: LocalPluginConfig;
  readonly variables: Readonly<Record<string, string>>;
  /** Values of files of variables. */
  readonly variableFiles: Readonly<Record<string, unknown>>;
  /** Parts of jobs to leave out. */
  readonly skips: readonly string[];
  readonly json: boolean;
}

/** @returns the exit code: 1 if a file is not valid */
export async function validate(paths: readonly string[], options: ValidateOptions): Promise<number> {
  const { config, json, variables, variableFiles, skips } = options;
  const sources = { given: variables, files: variableFiles, environment: process.env };
  let valid = true;
  for (const path of paths) {
    try {
      const file = await readJobFile(path, skips);
      const { job } = await checkFile(file, sources, config);
      const what = job === undefined ? "the plugin's options" : `job ${job.id}`;
      if (!json) print(visible(`${file.name}: ${what} ${job === undefined ? "are" : "is"} valid`));
    } catch (thrown) {
      valid = false;
      if (json && thrown instanceof InvalidFile) for (const each of thrown.problems) print(problemJson(each));
      else printError(thrown);
    }
  }
  return valid ? 0 : 1;
}

function problemJson({ file, position, place, message, hint }: FoundProblem): string {
  const { line = null, column = null } = position ?? {};
  return visibleJson({ file, line, column, place, message, hint: hint ?? null });
}
