/** What a run records in its status file: who the task is, and how it ended (`statusFileLayout`). */
import { readFileSync, statSync } from "node:fs";
import { DriverError, errnoOf } from "../../errors.ts";
import { bufferBytes, IDENTITY_TAG_BYTES, statusFileLayout } from "../launch/plan.ts";
import { type ProcessIdentity, parseStat } from "./processStat.ts";

/** How a task's main process ended. */
export interface ExitStatus {
  /** The code given to exit(3); 0 where a signal ended the task. */
  readonly exitCode: number;
  /** Number of the signal that ended the task, or 0. */
  readonly signal: number;
  readonly coreDumped: boolean;
  /** When it ended: milliseconds since the epoch. */
  readonly endedAtMs: number;
}

/**
 * How the task ended, as init recorded it.
 * @returns undefined where it recorded nothing: the task still runs, or init was killed
 * @throws DriverError `KERNEL_CALL_FAILED` where the file is there and cannot be read
 */
export function readExitStatus(statusFile: string): ExitStatus | undefined {
  const content = read(statusFile);
  // Inits of earlier versions take a byte of room when they begin, and no more.
  if (content === undefined || content.length < statusFileLayout.bytes.status) return undefined;
  if (content.subarray(0, statusFileLayout.bytes.status).equals(statusFileLayout.noStatus)) return undefined;
  return exitStatusOf(content.readInt32LE(statusFileLayout.status), statSync(statusFile).mtimeMs);
}

/**
 * Who the task is, as it recorded itself before it became its command.
 * @returns undefined where there has been no task: its init was never let go on
 * @throws DriverError `KERNEL_CALL_FAILED` where the file is there and cannot be read
 */
export function readRecordedTask(statusFile: string): ProcessIdentity | undefined {
  const { task } = statusFileLayout;
  const line = read(statusFile)?.toString("latin1", task + IDENTITY_TAG_BYTES, task + bufferBytes.identity);
  const stat = parseStat(line ?? "");
  return stat && { pid: stat.pid, startTicks: stat.startTicks };
}

/** @param status as wait(2) gives it: `bits/waitstatus.h` */
export function exitStatusOf(status: number, endedAtMs: number): ExitStatus {
  const signal = status & 0x7f;
  return {
    exitCode: signal === 0 ? (status >> 8) & 0xff : 0,
    signal,
    coreDumped: (status & 0x80) !== 0,
    endedAtMs,
  };
}

function read(statusFile: string): Buffer | undefined {
  try {
    return readFileSync(statusFile);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "what a run has recorded cannot be read");
  }
}
