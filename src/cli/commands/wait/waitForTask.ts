/** `wait`: waits for the end of a task. */

import { codeToPassOn, knownEnd, unknownEnd } from "../../../base/taskEnd.ts";
import { shortNameOf } from "../../../base/taskId.ts";
import { readHistory } from "../../../history/replay/storedHistory.ts";
import type { TaskContext } from "../../../machines/taskContext.ts";
import { endText } from "../../../machines/taskOutline.ts";
import { EventLogs } from "../../histories/eventLogs.ts";
import { foldReadable } from "../../histories/readHistory.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print } from "../../terminal/output.ts";

export interface WaitOptions {
  readonly stateDir: string;
  /** Whether to print the end as a JSON object. */
  readonly json: boolean;
}

/**
 * @returns the task's exit code, or 128 + signal; 125 if the task's end is unknown
 * @throws DriverError `TASK_NOT_FOUND`
 */
export async function waitForTask(name: string, { stateDir, json }: WaitOptions): Promise<number> {
  await using logs = await EventLogs.open(stateDir);
  const run = logs.find({ name, back: undefined });
  await logs.untilOver(run);
  const { context } = foldReadable(readHistory(run.reader, run.id));
  if (json) {
    const { exit } = context;
    const time = exit && new Date(exit.endedAt).toISOString();
    const task = shortNameOf(run.id);
    print(jsonOf("wait", { time, event: "ended", task, id: run.id, ...endOf(context) }));
  }
  return codeToPassOn(knownEnd(context.exit) ?? unknownEnd);
}

/** As in the events of `run --json`, with the cause. Unknown values are null. */
function endOf(context: TaskContext) {
  const end = knownEnd(context.exit);
  const { failure } = context;
  return {
    exitCode: end?.exitCode ?? null,
    signal: end?.signal ?? null,
    oomKilled: context.exit?.oomKilled ?? false,
    reason: failure === null ? endText(context) : `${failure.code}: ${failure.summary}`,
  };
}
