/** Event logs that earlier versions of the driver have written (scripts/recordEventLog.ts). */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { logFiles } from "../../../src/store/folder/logFolders.ts";
import { temporaryFolder } from "../host/temporaryFolder.ts";

const folder = join(import.meta.dirname, "../../fixtures/logs");

/** The schema versions that have a recorded log. */
export const earlierVersions: readonly number[] = readdirSync(folder)
  .flatMap((name) => /^schema(\d+)\.mdb\.gz$/.exec(name)?.[1] ?? [])
  .map(Number)
  .toSorted((a, b) => a - b);

/** A copy of a recorded log's folder for the test. */
export function earlierLog(version: number): string {
  const log = temporaryFolder();
  writeFileSync(logFiles(log).data, gunzipSync(readFileSync(join(folder, `schema${version}.mdb.gz`))));
  return log;
}
