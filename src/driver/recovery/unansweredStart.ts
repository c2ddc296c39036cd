/**
 * A start that the plugin process which began it did not live to tell of: what has
 * come of its run is found out on the host. A run that was let go on is going on, or
 * over; any other has never begun, and nothing of it is left after this.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { waitForRunExit } from "../../effects/cgroup/cgroupEnd.ts";
import { runFiles } from "../../effects/files/runFiles.ts";
import { findInit } from "../../effects/processes/findInit.ts";
import {
  bootId,
  isSameProcess,
  type ProcessIdentity,
  startedAt,
} from "../../effects/processes/processIdentity.ts";
import { killInit } from "../../effects/processes/signals.ts";
import { readRecordedTask } from "../../effects/processes/statusFile.ts";
import { DriverError } from "../../errors.ts";
import type { TaskEvent } from "../../machines/events.ts";
import { stateName, type TaskSnapshot } from "../../machines/fold.ts";
import { runFolderName } from "../../store/folder/stateFolder.ts";
import type { DriverServices } from "../opening/services.ts";
import { cleanUpRun } from "../run/cleanUpRun.ts";
import { exitOf } from "../run/exit.ts";
import { startFailedEvent } from "../start/startFailedEvent.ts";
import { type Advance, advance } from "../task/storedEvents.ts";

/**
 * @param snapshot of a task that neither runs nor is over, by its log
 * @returns what belongs into its log: `started`, and `exited` where the run is over; or `startFailed`
 */
export async function settleStart(
  taskId: string,
  snapshot: TaskSnapshot,
  { folder, log }: Pick<DriverServices, "folder" | "log">,
): Promise<Advance> {
  const run = await findRun(snapshot);
  if (run === undefined) {
    const runFolder = snapshot.context.sandbox?.runFolder ?? join(folder.run, runFolderName(taskId));
    await endAbandoned(taskId, snapshot, runFolder, log);
    return advance(snapshot, [{ type: "startFailed", time: Date.now(), data: abandoned }]);
  }
  const { init, task, killed } = run;
  const data = { init, task, bootId: bootId() };
  const started = advance(snapshot, [{ type: "started", time: Math.round(startedAt(task)), data }]);
  const fields = { task_id: taskId, pid: task.pid };
  if (isSameProcess(init)) {
    log.info("found the running task of a start that was never answered", fields);
    return started;
  }
  await cleanUpRun(started.snapshot);
  const exited: TaskEvent = {
    type: "exited",
    time: Date.now(),
    data: exitOf(started.snapshot, killed),
  };
  log.info("found the task of a start that was never answered: it has ended", fields);
  const ended = advance(started.snapshot, [exited]);
  return { snapshot: ended.snapshot, events: [...started.events, ...ended.events] };
}

interface FoundRun {
  readonly init: ProcessIdentity;
  readonly task: ProcessIdentity;
  /** It was ended here, as one that had not begun. */
  readonly killed: boolean;
}

/** The run, if there has been a task in it. An init without one is ended here. */
async function findRun({ context }: TaskSnapshot): Promise<FoundRun | undefined> {
  const { request, host, sandbox } = context;
  if (!request || !sandbox?.init || host?.bootId !== bootId()) return undefined;
  const { init } = sandbox;
  const { status } = runFiles(sandbox.runFolder);
  const task = readRecordedTask(status);
  if (task !== undefined) return { init, task, killed: false };
  // Nobody gives it the word any more, and it ends of itself; or it has had the word and is slow.
  const killed = killInit(init);
  await waitForRunExit(request.resources.cgroup, init);
  const late = readRecordedTask(status);
  return late && { init, task: late, killed };
}

/** Nobody was told that such a task runs: what there is of it is ended. */
async function endAbandoned(
  taskId: string,
  snapshot: TaskSnapshot,
  runFolder: string,
  log: DriverServices["log"],
): Promise<void> {
  const { request } = snapshot.context;
  // Before anyone is looked for: an init that comes later finds nothing to open, and ends.
  rmSync(runFolder, { recursive: true, force: true });
  const init = request ? findInit(request.resources.cgroup, runFiles(runFolder).alive) : undefined;
  const killed = init ? killInit(init) : false;
  await cleanUpRun(snapshot, init);
  log.warn("ended a task whose start was never answered", {
    task_id: taskId,
    state: stateName(snapshot),
    was_running: killed,
  });
}

const abandoned = startFailedEvent(
  new DriverError("PLUGIN_FAILED", "the plugin process ended while it was starting the task", {
    recoverable: true,
  }),
);
