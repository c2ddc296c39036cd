/** Takes over a task from an earlier plugin process: replays its events, then compares them with the host. */

import { isDeepStrictEqual } from "node:util";
import { DriverError, isShortage, messageOf } from "../../base/errors.ts";
import type { TaskId } from "../../base/taskId.ts";
import { bootId, isSameProcess } from "../../effects/processes/processIdentity.ts";
import { initsIn, removeRunFiles } from "../../effects/run/runFiles.ts";
import type { EventData } from "../../machines/events.ts";
import { isAlive, isStarting, type TaskSnapshot } from "../../machines/taskMachine.ts";
import type { EventReader } from "../../store/eventStore.ts";
import type { RecoverableHandle } from "../driverPort.ts";
import type { RunCommands } from "../exec/commands.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { storedHistory, type TaskHistory } from "../history/taskHistory.ts";
import type { UnsavedEvents } from "../history/unsavedEvents.ts";
import { retrying } from "../retry.ts";
import { type EndingServices, unseenEndingOf } from "../run/ending.ts";
import { cleanUpRun, lostByReboot } from "../run/runEnd.ts";
import type { DriverServices } from "../services.ts";
import { existsAlready } from "../taskErrors.ts";
import { historyFromHandle } from "./handleHistory.ts";
import { settleStart } from "./unansweredStart.ts";

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

type SettlingServices = Pick<DriverServices, "store" | "log"> & EndingServices;

/** As {@link settledHistory}, but always reads the log. */
export async function readSettled(
  taskId: TaskId,
  services: SettlingServices,
): Promise<TaskHistory | undefined> {
  const history = storedHistory(taskId, services.store);
  if (history === undefined || !isStarting(history.snapshot.value)) return history;
  const { snapshot, events } = await settleStart(taskId, history.snapshot, services);
  return { snapshot, version: history.version, unstored: events };
}

/**
 * A task's history: from the log, or from the agent's handle if the log does not have the task or cannot be
 * read. Events rebuilt from the handle begin a new stream. If the log has a damaged stream of the task, the
 * rebuilt events are not stored, and only later events are appended to that stream.
 * @throws DriverError `HANDLE_INVALID` for a handle of another driver or another task
 * @throws an error of the host that is too short of something to look for the task's run
 */
export async function historyOf(handle: RecoverableHandle, services: DriverServices): Promise<TaskHistory> {
  const { taskId } = handle;
  let reason = "it does not have the task";
  let version = 0;
  try {
    const stored = await settledHistory(taskId, services);
    if (stored !== undefined) return stored;
  } catch (thrown) {
    // The log has the task. The host does not let this process look for its run for now.
    if (isShortage(thrown) && !(thrown instanceof DriverError && thrown.code === "STORE_FAILED"))
      throw thrown;
    reason = messageOf(thrown);
    version = versionOf(taskId, services.store);
  }
  const { snapshot, events } = await historyFromHandle(handle, reason, services);
  return { snapshot, version, unstored: version === 0 ? events : [] };
}

/**
 * The history for a StartTask call whose task is in the log already. If a plugin dies during a start, its
 * agent sends the same start to the next plugin. That start continues where the first one stopped, so that
 * the task neither runs twice nor is refused.
 * @returns the history of a failed start, or of a run that is alive or has ended; undefined if the log does
 *   not have the task
 * @throws DriverError `TASK_EXISTS` if another request had this id, or if the task is lost or destroyed
 */
export async function repeatedStart(
  taskId: TaskId,
  requested: EventData<"requested">,
  services: SettlingServices,
): Promise<TaskHistory | undefined> {
  const stored = storedHistory(taskId, services.store);
  if (stored === undefined) return undefined;
  if (!isRepeated(stored.snapshot.context.request, requested)) throw existsAlready(taskId);
  const history = (await readSettled(taskId, services)) ?? stored;
  const state = history.snapshot.value;
  if (state === "failed" || state === "exited" || isAlive(state)) return history;
  throw existsAlready(taskId);
}

/**
 * Whether another plugin process got the same request. A request that this process got itself does not
 * count, because this process has answered it.
 */
function isRepeated(stored: EventData<"requested"> | null, requested: EventData<"requested">): boolean {
  if (stored === null || stored.plugin.pid === requested.plugin.pid) return false;
  return isDeepStrictEqual(stored, { ...requested, plugin: stored.plugin });
}

/**
 * Compares a task's history with the host and records the result: the task runs, or
 * has ended while no plugin watched.
 * @throws DriverError `TASK_LOST`, at every call, if the task is from an earlier boot or never started
 */
export async function takeOver(
  task: RecordedTask,
  commands: RunCommands,
  services: DriverServices,
): Promise<void> {
  const { plugin, unsaved, log } = services;
  const { snapshot } = task;
  if (isAlive(task.state)) {
    const end = await endOf(snapshot, services);
    if (end === undefined) await task.record("recovered", { plugin, found: whereItRuns(snapshot) });
    else if (end.type === "exited") await task.record("exited", end.data);
    else await task.record("lost", end.data);
  } else {
    await storeEnd(task, unsaved);
  }
  // If it failed, the task would be forgotten although this process watches it.
  const retry = retrying(() => log, task.id, "an earlier plugin's commands cannot be ended yet");
  await retry(
    () => commands.endAbandoned(),
    (attempts) => attempts >= maxAttempts,
  );
  const { exit, lostReason } = task.snapshot.context;
  if (isAlive(task.state) || exit !== null) return;
  const why = lostReason ?? `it was never started (state ${task.state})`;
  throw new DriverError("TASK_LOST", `task ${task.id} is lost: ${why}`);
}

/**
 * Stores the end of a run that no plugin watched, and then removes its files. Normally, pending events are stored
 * together with the next event, but an ended task gets no further event.
 */
async function storeEnd(task: RecordedTask, unsaved: UnsavedEvents): Promise<void> {
  try {
    await task.stored();
  } catch (thrown) {
    unsaved.add(task, DriverError.from(thrown, "STORE_FAILED", "events could not be stored"));
    // Events that can never be stored leave the files: without these, the task would seem never to have started.
    void unsaved
      .whenStored(task)
      .then(() => task.stored())
      .then(
        () => removeFiles(task),
        () => undefined,
      );
    return;
  }
  removeFiles(task);
}

function removeFiles({ snapshot: { context } }: RecordedTask): void {
  try {
    if (context.sandbox !== null) removeRunFiles(context.sandbox.runFolder);
  } catch {
    // The next removal tries again.
  }
}

/** After this many attempts, one a second, a takeover goes on without the end of earlier commands. */
const maxAttempts = 10;

/** The end of a run that was alive when the log was last written. */
export type UnseenEnd =
  | { readonly type: "exited"; readonly data: EventData<"exited"> }
  | { readonly type: "lost"; readonly data: EventData<"lost"> };

/** Whether a run goes on that was alive when the log was last written. */
export function goesOn({ context: { process } }: TaskSnapshot): boolean {
  return process?.bootId === bootId() && isSameProcess(process.init);
}

/**
 * The end of a run that no plugin watched, whose remains are removed.
 * @param snapshot of a task that was alive when the log was last written
 * @returns undefined if the run goes on
 */
export async function endOf(
  snapshot: TaskSnapshot,
  services: EndingServices,
): Promise<UnseenEnd | undefined> {
  const { process } = snapshot.context;
  if (process?.bootId !== bootId()) {
    await cleanUpRun(snapshot);
    return { type: "lost", data: { reason: lostByReboot } };
  }
  if (isSameProcess(process.init)) return undefined;
  return { type: "exited", data: await unseenEndingOf(snapshot, services) };
}

function whereItRuns({ context: { process, request, sandbox } }: TaskSnapshot): string {
  const pid = process?.init.pid ?? 0;
  return initsIn(request?.resources.cgroup ?? "", sandbox?.runFolder ?? "").includes(pid)
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
