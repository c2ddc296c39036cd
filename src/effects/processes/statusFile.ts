/** Reads a run's status file: the task's identity, and how it ended (`statusFileLayout`). */
import { readFileSync, statSync } from "node:fs";
import { DriverError, errnoOf } from "../../errors.ts";
import { type ExitStatus, exitStatusOf } from "../../taskEnd.ts";
import { bufferBytes, IDENTITY_TAG_BYTES, statusFileLayout } from "../launch/plan.ts";
import { type ProcessIdentity, parseStat } from "./processStat.ts";

/**
 * Reads how the task ended, as init recorded it.
 * @returns undefined if init recorded nothing: the task still runs, or init was killed
 * @throws DriverError `KERNEL_CALL_FAILED` if the file exists and cannot be read
 */
export function readExitStatus(statusFile: string): ExitStatus | undefined {
  const content = read(statusFile);
  // Inits of earlier driver versions reserve only one byte when they start.
  if (content === undefined || content.length < statusFileLayout.bytes.status) return undefined;
  if (content.subarray(0, statusFileLayout.bytes.status).equals(statusFileLayout.noStatus)) return undefined;
  return exitStatusOf(content.readInt32LE(statusFileLayout.status), statSync(statusFile).mtimeMs);
}

/**
 * Reads the task's identity, which its process recorded before it executed the command.
 * @returns undefined if there was no task, because its init was never released
 * @throws DriverError `KERNEL_CALL_FAILED` if the file exists and cannot be read
 */
export function readRecordedTask(statusFile: string): ProcessIdentity | undefined {
  const { task } = statusFileLayout;
  const line = read(statusFile)?.toString("latin1", task + IDENTITY_TAG_BYTES, task + bufferBytes.identity);
  const stat = parseStat(line ?? "");
  return stat && { pid: stat.pid, startTicks: stat.startTicks };
}

function read(statusFile: string): Buffer | undefined {
  try {
    return readFileSync(statusFile);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "what a run has recorded cannot be read");
  }
}
