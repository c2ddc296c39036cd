/**
 * Watches a run that this driver did not start. Such a run's init holds no alive FIFO and records no status.
 * A witness (witnessPlan.ts) holds the FIFO and records the status in init's place.
 */
import { closeSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { type ExitStatus, exitStatusOf } from "../../base/taskEnd.ts";
import { MFD_CLOEXEC, PIDFD_INFO_EXIT } from "../kernel/constants.ts";
import { memfdCreate } from "../kernel/libc.ts";
import { pidfdInfo } from "../kernel/structs.ts";
import { failureOf } from "../launch/launcher.ts";
import { reportOf, spawnPlan } from "../plan/spawnPlan.ts";
import type { ProcessIdentity } from "../processes/processIdentity.ts";
import { openProcess } from "../processes/signals.ts";
import { makeRunFiles } from "../run/runFiles.ts";
import { buildWitnessPlan } from "./witnessPlan.ts";

export interface WitnessedRun {
  /** PID 1 of the run's pid namespace. */
  readonly init: ProcessIdentity;
  readonly task: ProcessIdentity;
  readonly cgroup: string;
  /** {@link startWitness} creates this folder, with the alive FIFO in it. */
  readonly runFolder: string;
}

/**
 * Starts a witness. Resolves once it holds the alive FIFO, or the run has ended.
 * @param name the witness's first argument
 * @param runnerFolder folder for the plan runner, if this host cannot execute memfds
 * @throws DriverError `LAUNCH_FAILED`, `STATE_DIR_UNUSABLE`, `KERNEL_CALL_FAILED`
 */
export async function startWitness(run: WitnessedRun, name: string, runnerFolder: string): Promise<void> {
  using opened = new DisposableStack();
  const keep = (descriptor: number) => opened.adopt(descriptor, closeSync);
  const init = openProcess(run.init);
  if (init === undefined) return;
  keep(init);
  // If the task has been reaped already, its status is lost. The witness's request for the status then fails,
  // because it goes to /dev/null.
  const task = keep(openProcess(run.task) ?? openSync("/dev/null", "r"));
  const question = keep(memfdCreate("exec2-question", MFD_CLOEXEC));
  writeSync(question, new BigUint64Array([BigInt(PIDFD_INFO_EXIT)]), 0, pidfdInfo.maskBytes, 0);

  const files = makeRunFiles(run.runFolder);
  const plan = buildWitnessPlan({
    name,
    cgroup: run.cgroup,
    aliveFifo: files.alive,
    statusFile: files.status,
  });
  const report = await reportOf(spawnPlan(plan, { question, task, init }, runnerFolder));
  if (report.failure !== undefined || report.processes.length === 0) throw failureOf(plan, report);
}

/**
 * Reads a witness's record.
 * @returns undefined without a record, or if the kernel (before 6.15) gave the witness no status
 */
export function readWitness(statusFile: string): ExitStatus | undefined {
  try {
    const bytes = readFileSync(statusFile);
    if (bytes.length < pidfdInfo.bytes || (bytes.readUInt32LE() & PIDFD_INFO_EXIT) === 0) return undefined;
    return exitStatusOf(bytes.readInt32LE(pidfdInfo.exitCodeAt), statSync(statusFile).mtimeMs);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "the witness's record cannot be read");
  }
}
