import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { DriverError } from "../../../errors.ts";
import { type JobFile, jobFile } from "../../../jobspec/jobFile.ts";

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
