/**
 * Which user a task has, where its client has forgotten that. A client that was
 * restarted starts a task of a dynamic user again without naming one: the log
 * knows it. Which ids are in use it has forgotten, too: it may lend that of a task
 * that runs to another one.
 */
import { setImmediate } from "node:timers/promises";
import type { TaskRequest } from "../../config/task/taskRequest.ts";
import { isDynamicUser } from "../../effects/users/users.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import { partsOfTaskId, taskOfRun } from "../../taskId.ts";
import type { DriverServices } from "../opening/services.ts";
import type { Task } from "../task/task.ts";
import { beginningOf, type Log, looksATurn, type PlacedEvent } from "./runBeginning.ts";

/** A run of a task, and who it ran as. */
export interface EarlierRun {
  readonly taskId: string;
  readonly user: string;
  /** Of the event that first tells so. */
  readonly position: number;
}

/**
 * The request with the user of the task's run before, where it names none and the log knows of one.
 * @throws DriverError `STORE_FAILED` where the log cannot be read
 */
export async function withUser(
  request: TaskRequest,
  { store, log }: Pick<DriverServices, "store" | "log">,
): Promise<TaskRequest> {
  if (request.user !== "") return request;
  const run = newestOf(await runsWithUser(request.taskId, store));
  if (run === undefined) return request;
  const { user } = run;
  log.info("the agent names no user for a task: it gets that of its run before", {
    task_id: request.taskId,
    user,
    run_before: run.taskId,
  });
  return { ...request, user };
}

/** Runs of the same task of an allocation, whichever plugin process has started them. */
async function runsWithUser(taskId: string, log: Log): Promise<EarlierRun[]> {
  const runs: EarlierRun[] = [];
  if (partsOfTaskId(taskId) === undefined) return runs;
  let looks = 0;
  for (const { stream } of log.streams(`${taskOfRun(taskId)}/`)) {
    looks += 1;
    if (looks % looksATurn === 0) await setImmediate();
    const run = runWithUser(stream, beginningOf(stream, log));
    if (run !== undefined) runs.push(run);
  }
  return runs;
}

/**
 * Who a run ran as: its own user rather than the one that it was asked for with, which may be none. Pure.
 * @param beginning of its history, oldest first
 */
function runWithUser(taskId: string, beginning: Iterable<PlacedEvent>): EarlierRun | undefined {
  let run: EarlierRun | undefined;
  for (const { type, data, position } of beginning) {
    if (type !== "requested" && type !== "sandboxed") continue;
    const { user } = data;
    if (user !== "") run = { taskId, user, position: run?.position ?? position };
  }
  return run;
}

/** The one that was started last. Pure. */
export function newestOf(runs: readonly EarlierRun[]): EarlierRun | undefined {
  return runs.toSorted((one, other) => other.position - one.position)[0];
}

/** A dynamic user that several tasks have. */
export interface SharedUser {
  readonly user: string;
  /** The other tasks: `<allocation>/<task>`. */
  readonly tasks: readonly string[];
}

/**
 * Whether other tasks that run have the dynamic user of a task; other runs of the same task are no others. Pure.
 * @param tasks of this process, the task itself as well
 */
export function sharedUserOf(
  task: TaskWithUser,
  tasks: () => Iterable<TaskWithUser>,
): SharedUser | undefined {
  const { sandbox } = task.snapshot.context;
  if (sandbox === null || !isDynamicUser(sandbox.user)) return undefined;
  const own = taskOfRun(task.id);
  const others = new Set<string>();
  for (const { id, state, snapshot } of tasks()) {
    if (uidOf(snapshot) === sandbox.uid && isAlive(state)) others.add(taskOfRun(id));
  }
  others.delete(own);
  return others.size === 0 ? undefined : { user: sandbox.user, tasks: [...others].sort() };
}

type TaskWithUser = Pick<Task, "id" | "state" | "snapshot">;

function uidOf({ context: { sandbox, adopted } }: Task["snapshot"]): number | undefined {
  return sandbox?.uid ?? adopted?.found?.uid;
}
