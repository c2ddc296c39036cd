import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { DriverError } from "../../../errors.ts";
import { type JobFile, jobFile } from "../../../jobspec/jobFile.ts";
import { parseHcl, parseJson } from "../../../jobspec/syntax.ts";

/**
 * @param path `-` reads standard input
 * @throws DriverError `JOB_INVALID`
 */
export async function readJobFile(path: string): Promise<JobFile> {
  try {
    return path === "-"
      ? jobFile("standard input", await text(process.stdin))
      : jobFile(path, await readFile(path, "utf8"));
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
