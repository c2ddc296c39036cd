import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { DriverError } from "../../../errors.ts";
import { type JobFile, jobFile } from "../../../jobspec/jobFile.ts";
import { skippable } from "../../../jobspec/keys.ts";
import { parseHcl, parseJson } from "../../../jobspec/syntax.ts";
import { suggestion } from "../../../suggest.ts";

/**
 * @param path `-` reads standard input
 * @param skips parts to leave out, by name
 * @throws DriverError `JOB_INVALID`; `CONFIG_INVALID` for a name of no such part
 */
export async function readJobFile(path: string, skips: readonly string[] = []): Promise<JobFile> {
  for (const name of skips) {
    if (skippable().includes(name)) continue;
    throw new DriverError("CONFIG_INVALID", `--skip ${name}: no part of a job that is missing here`, {
      hint: suggestion(name, skippable()),
    });
  }
  try {
    return path === "-"
      ? jobFile("standard input", await text(process.stdin), skips)
      : jobFile(path, await readFile(path, "utf8"), skips);
  } catch (thrown) {
    throw DriverError.from(thrown, "JOB_INVALID", "the job file cannot be read");
  }
}

/**
 * The values in files of variables; later files override earlier ones.
 * @throws DriverError `JOB_INVALID`
 */
export async function readVariableFiles(paths: readonly string[]): Promise<Record<string, unknown>> {
  const values: Record<string, unknown> = {};
  for (const path of paths) {
    const file = await readJobFile(path);
    Object.assign(values, /^\s*\{/.test(file.source) ? parseJson(file) : await parseHcl(file));
  }
  return values;
}
