/** Takes over a task from an earlier plugin process: replays its events, then compares them with the host. */

import { processesIn } from "../../effects/cgroup/cgroup.ts";
import { bootId, isSameProcess } from "../../effects/processes/processIdentity.ts";
import { DriverError, messageOf } from "../../errors.ts";
import type { EventData } from "../../machines/events.ts";
import { fold, type TaskSnapshot } from "../../machines/fold.ts";
import { isAlive, isUnderway } from "../../machines/taskMachine.ts";
import type { EventReader } from "../../store/eventStore.ts";
import type { TaskId } from "../../taskId.ts";
import type { RecoverableHandle } from "../driverPort.ts";
import type { RunCommands } from "../exec/commands.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { toTaskEvent } from "../history/storedEvents.ts";
import { type TaskHistory, withoutPlan } from "../history/taskHistory.ts";
import { cleanUpRun, exitOf, lostByReboot } from "../run/runEnd.ts";
import type { DriverServices } from "../services.ts";
import { adoptedHistory } from "./adoption.ts";
import { decodeGoDriverHandle } from "./goDriverHandle.ts";
import { historyFromHandle } from "./handleHistory.ts";
import { decodeHandle, type HandleState } from "./taskHandle.ts";
import { settleStart } from "./unansweredStart.ts";

/**
 * A task's history in the log.
 * @returns undefined if the log does not have the task
 * @throws DriverError `STORE_FAILED` if its events cannot be read
 */
export function storedHistory(taskId: TaskId, store: EventReader): TaskHistory | undefined {
  const events = [...store.readStream(taskId, 1, "plan")];
  return events.length === 0
    ? undefined
    : { snapshot: withoutPlan(fold(events.map(toTaskEvent))), version: events.length };
}

/**
 * The history in the log. If the start is unfinished, its outcome is added as events that are not stored yet.
 * The history of an unclaimed task was read when the plugin was configured, and is not read again.
 * @throws DriverError as {@link storedHistory} does
 */
export async function settledHistory(
  taskId: TaskId,
  services: DriverServices,
): Promise<TaskHistory | undefined> {
  return services.unclaimed.get(taskId) ?? readSettled(taskId, services);
}

/** Reads the history that {@link settledHistory} returns. */
export async function readSettled(
  taskId: TaskId,
  services: Pick<DriverServices, "store" | "folder" | "log">,
): Promise<TaskHistory | undefined> {
  const history = storedHistory(taskId, services.store);
  if (history === undefined || !isUnderway(history.snapshot.value)) return history;
  const { snapshot, events } = await settleStart(taskId, history.snapshot, services);
  return { snapshot, version: history.version, unstored: events };
}

/**
 * A task's history: from the log, or from the agent's handle if the log does not have the task or cannot be
 * read. Events rebuilt from the handle begin a new stream. If the log has a damaged stream of the task, the
 * rebuilt events are not stored, and only later events are appended to that stream.
 * @throws DriverError `HANDLE_INVALID` for a handle of another driver or another task
 */
export async function historyOf(handle: RecoverableHandle, services: DriverServices): Promise<TaskHistory> {
  const { store, log } = services;
  const { taskId } = handle;
  let reason = "it does not have the task";
  let version = 0;
  try {
    const stored = await settledHistory(taskId, services);
    if (stored !== undefined) return stored;
  } catch (thrown) {
    reason = messageOf(thrown);
    version = versionOf(taskId, store);
  }
  const run = decodeGoDriverHandle(handle.driverState, taskId);
  const { snapshot, events } = run
    ? adoptedHistory(handle, run, services)
    : historyFromHandle(handle, ownHandle(handle), services);
  if (run)
    log.info("a task comes from the Go driver", {
      task_id: taskId,
      pid: run.pid,
      state: snapshot.value,
    });
  else
    log.warn("a task is recovered from the agent's handle, without the event log", {
      task_id: taskId,
      reason,
    });
  return { snapshot, version, unstored: version === 0 ? events : [] };
}

function ownHandle({ taskId, driverState }: RecoverableHandle): HandleState {
  const state = decodeHandle(driverState);
  if (state.taskId === taskId) return state;
  throw new DriverError("HANDLE_INVALID", `the handle of task ${taskId} belongs to task ${state.taskId}`);
}

/**
 * Compares a task's history with the host and records the result: the task runs, or
 * has ended while no plugin watched.
 * @throws DriverError `TASK_LOST`, at every call, if the task is from an earlier boot or never started
 */
export async function takeOver(
  task: RecordedTask,
  commands: RunCommands,
  { plugin, unsaved }: DriverServices,
): Promise<void> {
  const { snapshot } = task;
  if (isAlive(task.state)) {
    const end = endOf(snapshot);
    if (end !== undefined) await cleanUpRun(snapshot);
    if (end === undefined) await task.record("recovered", { plugin, found: whereItRuns(snapshot) });
    else if (end.type === "exited") await task.record("exited", end.data);
    else await task.record("lost", end.data);
  } else {
    // Pending events are otherwise stored with the next event, but an ended task gets none.
    await task
      .stored()
      .catch((thrown) =>
        unsaved.add(task, DriverError.from(thrown, "STORE_FAILED", "events could not be stored")),
      );
  }
  await commands.endAbandoned();
  const { exit, lostReason } = task.snapshot.context;
  if (isAlive(task.state) || exit !== null) return;
  const why = lostReason ?? `it was never started: it is ${task.state}`;
  throw new DriverError("TASK_LOST", `task ${task.id} is lost: ${why}`);
}

/** The end of a run that was alive when the log was last written. */
export type UnseenEnd =
  | { readonly type: "exited"; readonly data: EventData<"exited"> }
  | { readonly type: "lost"; readonly data: EventData<"lost"> };

/**
 * The end of a run that no plugin watched.
 * @param snapshot of a task that was alive when the log was last written
 * @returns undefined if the run goes on
 */
export function endOf(snapshot: TaskSnapshot): UnseenEnd | undefined {
  const { process } = snapshot.context;
  if (process?.bootId !== bootId()) {
    return { type: "lost", data: { reason: lostByReboot } };
  }
  return isSameProcess(process.init) ? undefined : { type: "exited", data: exitOf(snapshot) };
}

function whereItRuns({ context: { process, request } }: TaskSnapshot): string {
  const pid = process?.init.pid ?? 0;
  return processesIn(request?.resources.cgroup ?? "").includes(pid)
    ? "running"
    : "running outside its cgroup, without the cgroup's limits";
}

function versionOf(taskId: TaskId, store: EventReader): number {
  try {
    return store.version(taskId);
  } catch {
    return 0;
  }
}
