/** Event logs that cannot be used any more: moved out of the way, with everything that belongs to them, never deleted. */
import { existsSync, readdirSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DriverError } from "../../errors.ts";

const MARK = ".damaged-";

/**
 * Renames a log's folder, which nobody may have open for writing.
 * @returns where it is now: `events.damaged-2026-01-31T12-30-00Z`
 * @throws DriverError `STATE_DIR_UNUSABLE` where the file system refuses
 */
export function quarantine(log: string, now: Date): string {
  const time = now.toISOString().replace(/\.\d+/, "").replaceAll(":", "-");
  let target = `${log}${MARK}${time}`;
  while (existsSync(target)) target += "+";
  try {
    renameSync(log, target);
    return target;
  } catch (thrown) {
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", "a damaged event log cannot be set aside");
  }
}

/** The logs that were set aside in the place of this one, the oldest first. */
export function quarantinedLogs(log: string): string[] {
  const parent = dirname(log);
  const names = readdirSync(parent).filter((name) => name.startsWith(basename(log) + MARK));
  return names.sort().map((name) => join(parent, name));
}
