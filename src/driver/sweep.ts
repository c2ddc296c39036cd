/**
 * What an earlier plugin process left undone when it died: tasks whose StartTask
 * it never answered, runs that ended while nobody watched, and files of runs that
 * are over. Done once, when the plugin is configured: before that, nothing may be touched.
 */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isUnheld, readExitStatus } from "../effects/exitWatch.ts";
import { findInit } from "../effects/findInit.ts";
import { runFiles } from "../effects/runFiles.ts";
import { killInit } from "../effects/signals.ts";
import { DriverError, messageOf } from "../errors.ts";
import type { EventData, TaskEvent } from "../machines/events.ts";
import { step } from "../machines/fold.ts";
import { isAlive, isOver, type StateName } from "../machines/taskMachine.ts";
import type { EventReader, StreamHead } from "../store/eventStore.ts";
import { runFolderName } from "../store/stateFolder.ts";
import { endRest } from "./endRest.ts";
import { endOf, storedHistory } from "./recovery.ts";
import type { DriverServices } from "./services.ts";
import { toStored, toTaskEvent } from "./storedEvents.ts";
import type { TaskHistory } from "./task.ts";

type SweepServices = Pick<DriverServices, "store" | "folder" | "log">;

/**
 * Puts a state folder in order.
 * @returns ids of the tasks that run, for which the agent has yet to ask
 */
export async function sweep(services: SweepServices): Promise<Set<string>> {
  const { store, folder, log } = services;
  const left = new Set(readdirSync(folder.run));
  const running = new Set<string>();
  for (const head of [...store.streams()]) {
    const { stream } = head;
    const name = runFolderName(stream);
    try {
      const runs = await settle(head, left.has(name), services);
      if (runs) running.add(stream);
      else if (left.has(name)) removeFiles(stream, services);
    } catch (thrown) {
      if (isWholeLog(thrown)) throw thrown;
      // One history that cannot be read must not keep the plugin from all the others.
      log.error("an earlier task cannot be looked after", { task_id: stream, error: messageOf(thrown) });
    }
    left.delete(name);
  }
  for (const name of left) removeUnused(join(folder.run, name));
  return running;
}

/** Whether it is the log that is damaged, as LMDB tells it, and not an event of it. */
function isWholeLog(thrown: unknown): boolean {
  return thrown instanceof DriverError && thrown.code === "STORE_DAMAGED" && thrown.failed !== undefined;
}

/** @returns whether the task runs */
async function settle(head: StreamHead, hasFiles: boolean, services: SweepServices): Promise<boolean> {
  const { store } = services;
  const { stream } = head;
  const state = lastState(store, head);
  if (isOver(state)) return false;
  const history = storedHistory(stream, store);
  if (history === undefined) return false;
  if (!isAlive(state)) {
    // Before anyone is looked for: an init that comes later finds nothing to open, and ends.
    if (hasFiles) removeFiles(stream, services);
    await endAbandonedStart(stream, history, services);
    return false;
  }
  const end = endOf(history.snapshot);
  if (end !== undefined) {
    await endRest(history.snapshot);
    await append(stream, history, { ...end, time: Date.now() }, store);
  }
  return end === undefined;
}

/** Nobody was told that such a task runs: what there is of it is ended. */
async function endAbandonedStart(
  taskId: string,
  history: TaskHistory,
  { store, log }: SweepServices,
): Promise<void> {
  const { request, sandbox } = history.snapshot.context;
  const init = request && sandbox && findInit(request.resources.cgroup, runFiles(sandbox.runFolder).alive);
  const killed = init ? killInit(init) : false;
  await endRest(history.snapshot);
  await append(taskId, history, { type: "startFailed", time: Date.now(), data: abandoned }, store);
  log.warn("ended a task whose start was never answered", {
    task_id: taskId,
    state: history.snapshot.value,
    was_running: killed,
  });
}

const abandoned: EventData<"startFailed"> = {
  code: "PLUGIN_FAILED",
  message: "the plugin process ended while it was starting the task",
  recoverable: true,
  failed: null,
};

async function append(
  taskId: string,
  { snapshot, version }: TaskHistory,
  event: TaskEvent,
  store: DriverServices["store"],
): Promise<void> {
  await store.append(taskId, version, [toStored(event, step(snapshot, event))]);
}

function removeFiles(taskId: string, { folder, log }: SweepServices): void {
  rmSync(join(folder.run, runFolderName(taskId)), { recursive: true, force: true });
  log.debug("removed the files of a run that is over", { task_id: taskId });
}

/**
 * A folder of a run that the log does not know was made for a request that was never
 * stored. Or the log is another one, and the agent may yet come with a handle of the run:
 * it stays where something can be learnt from it.
 */
function removeUnused(folder: string): void {
  const { status, alive } = runFiles(folder);
  if (isUnheld(alive) && readExitStatus(status) === undefined)
    rmSync(folder, { recursive: true, force: true });
}

/** @throws DriverError for a last event that is damaged, or too new for this driver */
function lastState(store: EventReader, { stream, version }: StreamHead): StateName {
  const [last] = store.readStream(stream, version);
  if (last !== undefined) toTaskEvent(last);
  return last?.to as StateName;
}
