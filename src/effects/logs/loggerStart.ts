/** Reads what a run's logger has recorded, and starts another if it was killed. */
import { closeSync, readFileSync } from "node:fs";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { pidfdGetfd, pidfdOpen } from "../kernel/libc.ts";
import { stepAt } from "../plan/assemble.ts";
import { failedStep } from "../plan/launchError.ts";
import { type Descriptors, kept, type WholePlan } from "../plan/plan.ts";
import { reportOf, spawnPlan } from "../plan/spawnPlan.ts";
import { isSameProcess, type ProcessIdentity } from "../processes/processIdentity.ts";
import { lockStep, own } from "./collector.ts";
import { type Logger, type LogRecord, loggerPlan, parseLogRecord } from "./logger.ts";
import { parseRelayRecord, type Relay, type RelayRecord, relayPlan } from "./relay.ts";

/**
 * @returns undefined if there is no record, or the logger has not written its state yet
 * @throws DriverError `KERNEL_CALL_FAILED` if the file exists and cannot be read
 */
export function readLogRecord(recordFile: string): LogRecord | undefined {
  return readRecord(recordFile, parseLogRecord);
}

function readRecord<Kind>(recordFile: string, parse: (content: Uint8Array) => Kind): Kind | undefined {
  try {
    return parse(readFileSync(recordFile));
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "the record of a run's logger cannot be read");
  }
}

/** @returns and throws as {@link readLogRecord} does */
export function readRelayRecord(recordFile: string): RelayRecord | undefined {
  return readRecord(recordFile, parseRelayRecord);
}

/**
 * Takes the read ends of the task's output, which init keeps open.
 * @returns descriptors for the caller to close; undefined if init has exited
 * @throws DriverError `KERNEL_CALL_FAILED` if init has no such descriptors
 */
export function readEndsOf(init: ProcessIdentity): Descriptors<"stdoutRead" | "stderrRead"> | undefined {
  try {
    const [stdoutRead, stderrRead] = taken(init, kept.stdoutRead, kept.stderrRead) ?? [];
    return stdoutRead === undefined || stderrRead === undefined ? undefined : { stdoutRead, stderrRead };
  } catch (thrown) {
    if (!isSameProcess(init)) return undefined;
    throw thrown;
  }
}

/**
 * Takes descriptors of a process, which keeps its own.
 * @returns descriptors for the caller to close; undefined if the process has exited
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
function taken(process: ProcessIdentity, ...numbers: readonly number[]): number[] | undefined {
  if (!isSameProcess(process)) return undefined;
  using undo = new DisposableStack();
  using opened = new DisposableStack();
  const pidfd = opened.adopt(pidfdOpen(process.pid), closeSync);
  const copies = numbers.map((number) => undo.adopt(pidfdGetfd(pidfd, number), closeSync));
  // Another process may have got the pid before it was opened.
  if (!isSameProcess(process)) return undefined;
  undo.move();
  return copies;
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
  await start(loggerPlan(logger), passed, runnerFolder);
}

/**
 * Takes the pipe from which a relay reads.
 * @returns a descriptor for the caller to close; undefined if the relay has exited
 */
export function pipeOfRelay(relay: ProcessIdentity): number | undefined {
  try {
    return taken(relay, own.stdout)?.[0];
  } catch {
    // It exits at this moment.
    return undefined;
  }
}

/**
 * Starts a relay for a run whose relay has ended. Resolves once it works. Does nothing if another relay of the
 * run is alive.
 * @param passed descriptors of this process, which stay open here; `logFolder` is the connection to journald
 * @param cgroup the task's
 * @param runnerFolder as for `spawnPlan`
 * @throws DriverError `LAUNCH_FAILED`
 */
export async function startRelay(
  relay: Relay,
  passed: Descriptors<"stdoutRead" | "logFolder">,
  cgroup: string,
  runnerFolder: string | undefined,
): Promise<void> {
  await start(relayPlan(relay, cgroup), passed, runnerFolder);
}

async function start<Name extends string>(
  plan: WholePlan<Name>,
  passed: Descriptors<Name>,
  runnerFolder: string | undefined,
): Promise<void> {
  const { failure } = await reportOf(spawnPlan(plan, passed, runnerFolder));
  if (failure === undefined || stepAt(plan, failure.entry)?.name === lockStep) return;
  throw failedStep(plan, failure);
}
