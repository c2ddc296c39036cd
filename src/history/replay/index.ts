/**
 * The library for recorded histories: `import … from "nomad-driver-exec2/replay"`.
 * Everything here only reads. It needs neither root nor the host of the recording.
 */

import type { Bundle } from "./bundle/loadBundle.ts";
import { type CheckOptions, type CheckReport, checkLog } from "./check/checkLog.ts";
import { findRuns } from "./findTask.ts";
import { History } from "./history.ts";

/**
 * The history of a task in a bundle. If several runs match, the history of the newest run.
 * @param task its name, the start of its id, or its whole id; undefined means any task
 * @throws DriverError `TASK_NOT_FOUND` if no task matches
 * @throws DriverError `STORE_DAMAGED` if an event of the task was changed
 */
export function replay({ reader }: Bundle, task?: string): History {
  const entries = Array.from(reader.streams(), ({ stream: id, firstPosition }) => ({ id, firstPosition }));
  const { id } = findRuns(task, entries).reduce((a, b) => (b.firstPosition > a.firstPosition ? b : a));
  return new History(id, [...reader.readStream(id)]);
}

/**
 * Checks the histories of a bundle: nothing in them may have been changed, and the machine (of this version
 * or another one) has to give the recorded result for every event.
 */
export function check({ reader }: Bundle, options: CheckOptions = {}): CheckReport {
  return checkLog(reader, options);
}

export { DriverError, type ErrorCode } from "../../base/errors.ts";
export type { TaskEvent } from "../../machines/events.ts";
export {
  type MachineState,
  type MachineStep,
  type MachineVersion,
  thisMachine,
} from "../../machines/machineVersion.ts";
export type { TaskContext } from "../../machines/taskContext.ts";
export type { StoredEvent } from "../../store/eventStore.ts";
export { type Bundle, loadBundle } from "./bundle/loadBundle.ts";
export type { CheckOptions, CheckReport } from "./check/checkLog.ts";
export { loadMachine } from "./check/loadMachine.ts";
export type { Finding, Outcome } from "./check/streamCheck.ts";
export { type Change, contextDiff } from "./contextDiff.ts";
export type { History, Moment } from "./history.ts";
export { type EffectOutcome, effectOutcomes } from "./history.ts";
export { type DiffRow, diffHistories as diff, type HistoryDiff } from "./historyDiff.ts";
export {
  enters,
  isError,
  isOfType,
  type MomentTest,
  mentions,
  momentAt,
  nextMoment,
  previousMoment,
} from "./search.ts";
export { type Edit, type Source, type WhatIf, whatIf } from "./whatIf.ts";
