/**
 * Dynamic users of tasks after a restart of the client. A restarted client restarts a
 * task without naming its dynamic user, so the driver takes the user from the log. Such
 * a client has also forgotten which ids are in use, and may assign the id of a running
 * task to another task.
 */

import { setImmediate } from "node:timers/promises";
import { partsOfTaskId, type TaskId, taskOfRun, toTaskId } from "../../base/taskId.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import { isDynamicUser } from "../../effects/users/users.ts";
import { isAlive, type TaskSnapshot } from "../../machines/taskMachine.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { beginningOf, type Log, type PlacedEvent, runsPerTurn } from "../history/taskHistory.ts";
import type { DriverServices } from "../services.ts";

/**
 * Returns the request. A request without a user gets the user of the task's previous run, if the log has one.
 * @throws DriverError `STORE_FAILED` if the log cannot be read
 */
export async function withUser(
  request: TaskRequest,
  { store, log }: Pick<DriverServices, "store" | "log">,
): Promise<TaskRequest> {
  if (request.user !== "") return request;
  const run = await newestRunWithUser(request.taskId, store);
  if (run === undefined) return request;
  const { user } = run;
  log.info("the agent names no user for a task: the task gets the user of its previous run", {
    task_id: request.taskId,
    user,
    run_before: run.taskId,
  });
  return { ...request, user };
}

/** A run of a task, and its user. */
interface EarlierRun {
  readonly taskId: TaskId;
  readonly user: string;
  /** Position of the first event that has the user. */
  readonly position: number;
}

/**
 * The newest run with a user, of the same task in the same allocation. Any plugin process may have started
 * it.
 */
async function newestRunWithUser(taskId: TaskId, log: Log): Promise<EarlierRun | undefined> {
  if (partsOfTaskId(taskId) === undefined) return undefined;
  let newest: EarlierRun | undefined;
  let read = 0;
  for (const { stream } of log.streams(`${taskOfRun(taskId)}/`)) {
    read += 1;
    if (read % runsPerTurn === 0) await setImmediate();
    const run = runWithUser(toTaskId(stream), beginningOf(stream, log));
    if (run !== undefined && (newest === undefined || run.position > newest.position)) newest = run;
  }
  return newest;
}

/**
 * The user of a run: the user of its sandbox, or else the requested user. Pure.
 * @param beginning the first events of its history, oldest first
 */
function runWithUser(taskId: TaskId, beginning: Iterable<PlacedEvent>): EarlierRun | undefined {
  let run: EarlierRun | undefined;
  for (const { type, data, position } of beginning) {
    if (type !== "requested" && type !== "sandboxed") continue;
    const { user } = data;
    if (user !== "") run = { taskId, user, position: run?.position ?? position };
  }
  return run;
}

/** A dynamic user that several tasks have. */
export interface SharedUser {
  readonly user: string;
  /** The other tasks: `<allocation>/<task>`. */
  readonly tasks: readonly string[];
}

/**
 * The other running tasks with a task's dynamic user, if any. Other runs of the same task do not count. Pure.
 * @param tasks all tasks of this process, which may include the task itself
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

type TaskWithUser = Pick<RecordedTask, "id" | "state" | "snapshot">;

/** The uid of a task with a recorded sandbox, or that another driver has started. */
export function uidOf({ context: { sandbox, adopted } }: TaskSnapshot): number | undefined {
  return sandbox?.uid ?? adopted?.found?.uid;
}
