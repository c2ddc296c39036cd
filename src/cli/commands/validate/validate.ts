/** `validate`: checks files, and shows everything that is wrong in them. */

import { DriverError } from "../../../base/errors.ts";
import { type CheckedFile, checkFile } from "../../../localAgent/files/checkFile.ts";
import type { LocalPluginConfig } from "../../../localAgent/files/pluginConfig.ts";
import { type FoundProblem, InvalidFile } from "../../../localAgent/jobspec/jobFile.ts";
import { valuesExample } from "../../../localAgent/jobspec/resolve/valuesExample.ts";
import { visible, visibleLines } from "../../../units/visible.ts";
import { inWords, printError } from "../../terminal/errors.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print, printNote } from "../../terminal/output.ts";
import { type JobOptions, readJobFile, variablesOf } from "../run/readJobFile.ts";

export interface ValidateOptions extends JobOptions {
  readonly config: LocalPluginConfig;
  readonly json: boolean;
  /** Prints an example for `--values` instead of the verdicts. */
  readonly valuesTemplate: boolean;
}

/** @returns the exit code: 1 if a file is not valid */
export async function validate(paths: readonly string[], options: ValidateOptions): Promise<number> {
  const { config, json, valuesTemplate } = options;
  let valid = true;
  for (const path of paths) {
    try {
      const file = await readJobFile(path, options);
      const checked = await checkFile(file, variablesOf(options), config);
      const { lacking, warnings } = checked;
      if (valuesTemplate) print(exampleFor(file.name, checked));
      else if (json) {
        for (const each of lacking) print(problemJson(each, "note"));
        for (const each of warnings) print(problemJson(each, "warning"));
      } else {
        print(visible(`${file.name}: ${verdictOn(checked)}`));
        if (lacking.length > 0) printNote(formatNeeds(lacking));
        for (const { place, message, hint } of warnings)
          printNote(visible(`warning: ${place}: ${message}`) + (hint ? `\nhint: ${hint}` : ""));
      }
    } catch (thrown) {
      if (!(thrown instanceof DriverError)) throw thrown;
      valid = false;
      if (json) for (const each of problemsOf(path, thrown)) print(problemJson(each, "error"));
      else printError(thrown);
    }
  }
  return valid ? 0 : 1;
}

/** An example of a file for `--values`, with what the job's templates ask for. */
function exampleFor(name: string, { job }: CheckedFile): string {
  const example = job === undefined ? "" : valuesExample(job);
  const title =
    example === ""
      ? `no template of ${name} asks a server`
      : `examples for ${name}: run --values FILE ${name}`;
  return visibleLines(`# ${visible(title)}\n${example}`.trimEnd());
}

function verdictOn({ kind, job }: CheckedFile): string {
  if (job !== undefined) return `job ${job.id} is valid`;
  return kind === "plugin"
    ? "the plugin's options are valid"
    : "there is no plugin block for this driver; its defaults apply";
}

function problemsOf(path: string, thrown: DriverError): readonly FoundProblem[] {
  if (thrown instanceof InvalidFile) return thrown.problems;
  const { summary, failed, hint } = thrown;
  const message = inWords(summary, failed);
  return [{ file: path, position: undefined, place: "", message, hint, excerpt: "" }];
}

/** What `run` would say of the job. */
function formatNeeds(lacking: readonly FoundProblem[]): string {
  const { summary, hint } = new InvalidFile(lacking);
  return [`note: run would refuse it: ${summary}`, hint ? `hint: ${hint}` : []].flat().join("\n");
}

function problemJson(
  { file, position, place, message, hint, lacking = false }: FoundProblem,
  found: "error" | "warning" | "note",
): string {
  const { line = null, column = null } = position ?? {};
  const severity = lacking ? "note" : found;
  return jsonOf("validate", { severity, file, line, column, place, message, hint: hint ?? null });
}
