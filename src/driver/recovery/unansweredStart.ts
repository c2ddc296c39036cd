/**
 * Settles a start whose plugin process died before it answered. The host shows whether the run's task has
 * started. If so, the run continues or has ended. If not, the remains of the run are removed.
 */

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DriverError } from "../../base/errors.ts";
import type { TaskId } from "../../base/taskId.ts";
import { waitForRunExit } from "../../effects/cgroup/cgroupEnd.ts";
import {
  bootId,
  isSameProcess,
  type ProcessIdentity,
  startedAt,
} from "../../effects/processes/processIdentity.ts";
import { killInit } from "../../effects/processes/signals.ts";
import { findInit, readRecordedTask, runFiles } from "../../effects/run/runFiles.ts";
import { taskEvent } from "../../machines/events.ts";
import type { TaskSnapshot } from "../../machines/taskMachine.ts";
import { runFolderName, withoutStart } from "../../store/folder/stateFolder.ts";
import { startFailedEvent } from "../history/startEvents.ts";
import { type Advance, advance } from "../history/taskHistory.ts";
import { type EndingServices, unseenEndingOf } from "../run/ending.ts";
import { cleanUpRun } from "../run/runEnd.ts";
import type { DriverServices } from "../services.ts";

/**
 * @param snapshot of a task that, according to its log, neither runs nor has ended
 * @returns events for the log: `started`, and `exited` if the run has ended; or `startFailed`
 */
export async function settleStart(
  taskId: TaskId,
  snapshot: TaskSnapshot,
  services: Pick<DriverServices, "log"> & EndingServices,
): Promise<Advance> {
  const { folder, log } = services;
  const run = await findOrEndRun(snapshot);
  if (run === undefined) {
    const known = snapshot.context.sandbox?.runFolder;
    const folders = new Set([...(known ? [known] : []), ...runFoldersOf(taskId, folder.run)]);
    await endAbandoned(taskId, snapshot, folders, log);
    return advance(snapshot, [{ type: "startFailed", time: Date.now(), data: abandoned }]);
  }
  const { init, task, killed } = run;
  const data = { init, task, bootId: bootId() };
  const started = advance(snapshot, [{ type: "started", time: Math.round(startedAt(task)), data }]);
  const fields = { task_id: taskId, pid: task.pid };
  // A killed init may still be there: it has left its cgroup, and the kernel has not done with it.
  if (!killed && isSameProcess(init)) {
    log.info("found the running task of a start that was never answered", fields);
    return started;
  }
  const exited = await unseenEndingOf(started.snapshot, services, killed);
  log.info("found the task of a start that was never answered: it has ended", fields);
  const ended = advance(started.snapshot, [taskEvent("exited", Date.now(), exited)]);
  return { snapshot: ended.snapshot, events: [...started.events, ...ended.events] };
}

interface FoundRun {
  readonly init: ProcessIdentity;
  readonly task: ProcessIdentity;
  /** Whether this module killed the run's init, because no task was recorded yet. */
  readonly killed: boolean;
}

/** Returns the run if its task has started. Kills an init that has recorded no task. */
async function findOrEndRun({ context }: TaskSnapshot): Promise<FoundRun | undefined> {
  const { request, host, sandbox } = context;
  if (!request || !sandbox || host?.bootId !== bootId()) return undefined;
  const { init } = sandbox;
  const { status } = runFiles(sandbox.runFolder);
  const task = readRecordedTask(status);
  if (task !== undefined) return { init, task, killed: false };
  // Init waits for a go-ahead that will not come, or it has the go-ahead but has not recorded its task yet.
  const killed = killInit(init);
  await waitForRunExit(request.resources.cgroup, init);
  const late = readRecordedTask(status);
  return late && { init, task: late, killed };
}

/** Ends and removes the remains of a start whose request was never answered. */
async function endAbandoned(
  taskId: TaskId,
  snapshot: TaskSnapshot,
  runFolders: ReadonlySet<string>,
  log: DriverServices["log"],
): Promise<void> {
  const { request } = snapshot.context;
  const inits = [...runFolders].flatMap((folder) => {
    // The folder is removed before the search for init: an init that opens the folder later fails and exits.
    rmSync(folder, { recursive: true, force: true });
    return (request && findInit(request.resources.cgroup, runFiles(folder).alive)) ?? [];
  });
  let killed = false;
  for (const init of inits) if (killInit(init)) killed = true;
  await cleanUpRun(snapshot, inits.at(-1));
  log.warn("ended a task whose start was never answered", {
    task_id: taskId,
    state: snapshot.value,
    was_running: killed,
  });
}

/** Paths of the folders of a task's starts: an earlier plugin process may have left more than one. */
function runFoldersOf(taskId: TaskId, run: string): string[] {
  const name = runFolderName(taskId);
  return readdirSync(run)
    .filter((each) => withoutStart(each) === name)
    .map((each) => join(run, each));
}

const abandoned = startFailedEvent(
  new DriverError("PLUGIN_FAILED", "the plugin process ended while it was starting the task", {
    recoverable: true,
  }),
);
