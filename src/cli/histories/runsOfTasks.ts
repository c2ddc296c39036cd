/** Groups runs by their task, for lists with a row for each task. */
import { taskOfRun } from "../../base/taskId.ts";
import { type FoundRun, newest, timeOfRequest } from "./chosenRun.ts";

/** The runs of one task in its allocation: a task that restarts has many. */
export interface RunsOfTask {
  readonly newest: FoundRun;
  /** All of them, the newest first. */
  readonly runs: readonly FoundRun[];
}

/**
 * The tasks of runs, the one with the newest run first. Reads only the first events of runs, and only if there
 * are several logs.
 * @param count of tasks
 * @returns the newest tasks, and the number of all tasks
 */
export function newestTasks(
  runs: readonly FoundRun[],
  count: number,
): { readonly tasks: readonly RunsOfTask[]; readonly all: number } {
  const tasks = new Map<FoundRun, RunsOfTask>();
  for (const own of Map.groupBy(runs, ({ id }) => taskOfRun(id)).values()) {
    const ordered = newest(own, own.length);
    const [first] = ordered;
    if (first !== undefined) tasks.set(first, { newest: first, runs: ordered });
  }
  const shown = newest([...tasks.keys()], count).flatMap((run) => tasks.get(run) ?? []);
  return { tasks: shown, all: tasks.size };
}

/** How often a task ran, and when its first run was requested. Reads that run's first event. */
export function runCount({ newest: last, runs }: RunsOfTask): { count: number; firstAt: number } {
  return { count: runs.length, firstAt: timeOfRequest(runs.at(-1) ?? last) };
}
