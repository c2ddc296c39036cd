/** Reads what a run's logger has recorded, and starts another if it was killed. */
import { closeSync, readFileSync } from "node:fs";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { pidfdGetfd, pidfdOpen } from "../kernel/libc.ts";
import { stepAt } from "../plan/assemble.ts";
import { failedStep } from "../plan/launchError.ts";
import { type Descriptors, kept } from "../plan/plan.ts";
import { reportOf, spawnPlan } from "../plan/spawnPlan.ts";
import { isSameProcess, type ProcessIdentity } from "../processes/processIdentity.ts";
import { type Logger, type LogRecord, lockStep, loggerPlan, parseLogRecord } from "./logger.ts";

/**
 * @returns undefined if there is no record, or the logger has not written its state yet
 * @throws DriverError `KERNEL_CALL_FAILED` if the file exists and cannot be read
 */
export function readLogRecord(recordFile: string): LogRecord | undefined {
  try {
    return parseLogRecord(readFileSync(recordFile));
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "the record of a run's logger cannot be read");
  }
}

/**
 * Takes the read ends of the task's output, which init keeps open.
 * @returns descriptors for the caller to close; undefined if init has exited
 * @throws DriverError `KERNEL_CALL_FAILED` if init has no such descriptors
 */
export function readEndsOf(init: ProcessIdentity): Descriptors<"stdoutRead" | "stderrRead"> | undefined {
  if (!isSameProcess(init)) return undefined;
  using undo = new DisposableStack();
  try {
    using process = new DisposableStack();
    const pidfd = process.adopt(pidfdOpen(init.pid), closeSync);
    const stdoutRead = undo.adopt(pidfdGetfd(pidfd, kept.stdoutRead), closeSync);
    const stderrRead = undo.adopt(pidfdGetfd(pidfd, kept.stderrRead), closeSync);
    // Another process may have got the pid before it was opened.
    if (!isSameProcess(init)) return undefined;
    undo.move();
    return { stdoutRead, stderrRead };
  } catch (thrown) {
    if (!isSameProcess(init)) return undefined;
    throw thrown;
  }
}

/**
 * Starts a logger for a run whose logger was killed. Resolves once it works. Does nothing if another logger of
 * the run is alive.
 * @param logger its `streams` are those of the killed logger's record
 * @param passed descriptors of this process, which stay open here; `logFolder` is the folder of the files
 * @param runnerFolder as for `spawnPlan`
 * @throws DriverError `LAUNCH_FAILED`
 */
export async function startLogger(
  logger: Logger,
  passed: Descriptors<"stdoutRead" | "stderrRead" | "logFolder">,
  runnerFolder: string | undefined,
): Promise<void> {
  const plan = loggerPlan(logger);
  const { failure } = await reportOf(spawnPlan(plan, passed, runnerFolder));
  if (failure === undefined || stepAt(plan, failure.entry)?.name === lockStep) return;
  throw failedStep(plan, failure);
}
