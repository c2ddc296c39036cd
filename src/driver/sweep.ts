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
import type { EventData, TaskEvent } from "../machines/events.ts";
import { fold, step } from "../machines/fold.ts";
import { isAlive, isOver, type StateName } from "../machines/taskMachine.ts";
import type { EventReader } from "../store/eventStore.ts";
import { runFolderName } from "../store/stateFolder.ts";
import type { DriverServices } from "./services.ts";
import { toStored, toTaskEvent } from "./storedEvents.ts";

/** Nobody was told that such a task runs, and nobody will ask for it: what there is of it is ended. */
export async function sweep(services: DriverServices): Promise<void> {
  const { store, folder, log } = services;
  const left = new Set(readdirSync(folder.run));
  for (const { stream, version } of [...store.streams()]) {
    const state = lastState(store, stream, version);
    if (!isAlive(state) && !isOver(state)) await endAbandonedStart(stream, services);
    const name = runFolderName(stream);
    if (isAlive(state) || !left.has(name)) continue;
    rmSync(join(folder.run, name), { recursive: true, force: true });
    log.debug("removed the files of a run that is over", { task_id: stream });
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

function lastState(store: EventReader, stream: string, version: number): StateName {
  const [last] = store.readStream(stream, version);
  return last?.to as StateName;
}
