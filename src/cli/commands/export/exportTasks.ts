/** `export`: writes histories as a bundle to standard output. */
import { once } from "node:events";
import { DriverError } from "../../../errors.ts";
import { bundleLines } from "../../../replay/bundle/exportBundle.ts";
import { EventLogs, type FoundTask } from "../../logs/eventLogs.ts";
import { onOutputFailure } from "../../terminal/output.ts";

/**
 * @param names of the tasks; undefined means all tasks
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, also if no task is named; `STORE_FAILED` if a record is damaged
 */
export async function exportTasks(
  stateDir: string,
  names: readonly string[] | undefined,
  mask: boolean,
): Promise<number> {
  const logs = await EventLogs.open(stateDir);
  let failed = false;
  onOutputFailure(() => {
    failed = true;
    process.stdout.emit("drain");
  });
  try {
    for (const line of bundleLines(chosen(logs, names), { mask, now: Date.now() })) {
      if (failed) break;
      if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
    }
  } finally {
    await logs.close();
  }
  return 0;
}

/** The named tasks, each once, in the order of the names. */
function chosen(logs: EventLogs, names: readonly string[] | undefined): FoundTask[] {
  if (names === undefined) return logs.tasks();
  if (names.length === 0) {
    throw new DriverError("TASK_NOT_FOUND", "no task is named", { hint: "Name tasks, or say --all" });
  }
  const found = names.map((name) => logs.find(name));
  return [...new Map(found.map((task) => [task.id, task])).values()];
}
