/** `wait`: waits for the end of a task. */
import { filter, firstValueFrom } from "rxjs";
import { isOver } from "../../../machines/taskMachine.ts";
import { readHistory } from "../../../replay/storedHistory.ts";
import { codeToPassOn, knownEnd, unknownEnd } from "../../../taskEnd.ts";
import { type FoundRun, isRunning } from "../../logs/chosenRun.ts";
import { EventLogs } from "../../logs/eventLogs.ts";
import { foldReadable } from "../../logs/taskHistory.ts";

/**
 * @returns the task's exit code, or 128 + signal; 125 if it is unknown
 * @throws DriverError `TASK_NOT_FOUND`
 */
export async function waitForTask(name: string, stateDir: string): Promise<number> {
  const logs = await EventLogs.open(stateDir);
  try {
    const run = logs.find({ name, back: undefined });
    if (isRunning(run)) {
      await firstValueFrom(logs.coming().pipe(filter(({ stream, to }) => stream === run.id && isOver(to))));
    }
    return codeToPassOn(knownEnd(exitOf(run)) ?? unknownEnd);
  } finally {
    await logs.close();
  }
}

function exitOf({ id, reader }: FoundRun) {
  return foldReadable(readHistory(reader, id)).context.exit;
}
