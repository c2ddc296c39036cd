/**
 * What an earlier plugin process left undone when it died: tasks whose StartTask
 * it never answered, and files of runs that are over. Done once, when the plugin
 * is configured: before that, nothing may be touched.
 */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findInit } from "../effects/findInit.ts";
import { runFiles } from "../effects/runFiles.ts";
import { killInit } from "../effects/signals.ts";
import { messageOf } from "../errors.ts";
import type { EventData, TaskEvent } from "../machines/events.ts";
import { fold, step } from "../machines/fold.ts";
import { isAlive, isOver, type StateName } from "../machines/taskMachine.ts";
import type { EventReader, StreamHead } from "../store/eventStore.ts";
import { runFolderName } from "../store/stateFolder.ts";
import type { DriverServices } from "./services.ts";
import { toStored, toTaskEvent } from "./storedEvents.ts";

/** Nobody was told that such a task runs, and nobody will ask for it: what there is of it is ended. */
export async function sweep(services: DriverServices): Promise<void> {
  const { store, folder, log } = services;
  const left = new Set(readdirSync(folder.run));
  for (const head of [...store.streams()]) {
    const { stream } = head;
    try {
      const state = lastState(store, head);
      if (!isAlive(state) && !isOver(state)) await endAbandonedStart(stream, services);
      const name = runFolderName(stream);
      if (isAlive(state) || !left.has(name)) continue;
      rmSync(join(folder.run, name), { recursive: true, force: true });
      log.debug("removed the files of a run that is over", { task_id: stream });
    } catch (thrown) {
      // One stream that cannot be read must not keep the node from running tasks.
      log.error(`left a task as it is: ${messageOf(thrown)}`, { task_id: stream });
    }
  }
}

async function endAbandonedStart(taskId: string, { store, log }: DriverServices): Promise<void> {
  const events = [...store.readStream(taskId)].map(toTaskEvent);
  const snapshot = fold(events);
  const { request, sandbox } = snapshot.context;
  const init = request && sandbox && findInit(request.resources.cgroup, runFiles(sandbox.runFolder).alive);
  const killed = init ? killInit(init) : false;
  const failed: TaskEvent = { type: "startFailed", time: Date.now(), data: abandoned };
  const taken = step(snapshot, failed);
  await store.append(taskId, events.length, [toStored(failed, taken)]);
  log.warn("ended a task whose start was never answered", {
    task_id: taskId,
    state: taken.from,
    was_running: killed,
  });
}

const abandoned: EventData<"startFailed"> = {
  code: "PLUGIN_FAILED",
  message: "the plugin process ended while it was starting the task",
  recoverable: true,
  failed: null,
};

/** @throws DriverError for a last event that is damaged, or too new for this driver */
function lastState(store: EventReader, { stream, version }: StreamHead): StateName {
  const [last] = store.readStream(stream, version);
  if (last !== undefined) toTaskEvent(last);
  return last?.to as StateName;
}
