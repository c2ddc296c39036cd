/** `wait`: waits for the end of a task. */

import { codeToPassOn, knownEnd, unknownEnd } from "../../../base/taskEnd.ts";
import { readHistory } from "../../../history/replay/storedHistory.ts";
import type { FoundRun } from "../../histories/chosenRun.ts";
import { EventLogs } from "../../histories/eventLogs.ts";
import { foldReadable } from "../../histories/readHistory.ts";

/**
 * @returns the task's exit code, or 128 + signal; 125 if the task's end is unknown
 * @throws DriverError `TASK_NOT_FOUND`
 */
export async function waitForTask(name: string, stateDir: string): Promise<number> {
  await using logs = await EventLogs.open(stateDir);
  const run = logs.find({ name, back: undefined });
  await logs.untilOver(run);
  return codeToPassOn(knownEnd(exitOf(run)) ?? unknownEnd);
}

function exitOf({ id, reader }: FoundRun) {
  return foldReadable(readHistory(reader, id)).context.exit;
}
