/** Quarantines damaged event logs: renames a log's whole folder, and deletes nothing. */
import { existsSync, readdirSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DriverError } from "../../errors.ts";

const MARK = ".damaged-";

/**
 * Renames a log's folder. Nobody may have the log open for writing.
 * @returns the new path: `events.damaged-2026-01-31T12-30-00Z`
 * @throws DriverError `STATE_DIR_UNUSABLE` if the file system refuses
 */
export function quarantine(log: string, now: Date): string {
  const time = now.toISOString().replace(/\.\d+/, "").replaceAll(":", "-");
  let target = `${log}${MARK}${time}`;
  while (existsSync(target)) target += "+";
  try {
    renameSync(log, target);
    return target;
  } catch (thrown) {
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", "a damaged event log cannot be renamed");
  }
}

/** The quarantined logs that earlier had this path, oldest first. */
export function quarantinedLogs(log: string): string[] {
  const parent = dirname(log);
  const names = readdirSync(parent).filter((name) => name.startsWith(basename(log) + MARK));
  return names.sort().map((name) => join(parent, name));
}
