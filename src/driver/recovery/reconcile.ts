/**
 * What an earlier plugin process left undone when it died: tasks whose StartTask
 * it never answered, runs that ended while nobody watched, and files of runs that
 * are over. Done once, when the plugin is configured: before that, nothing may be touched.
 */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runFiles } from "../../effects/files/runFiles.ts";
import { hasNoWriter } from "../../effects/processes/exitWatch.ts";
import { readExitStatus } from "../../effects/processes/statusFile.ts";
import { DriverError, messageOf } from "../../errors.ts";
import { stateName } from "../../machines/fold.ts";
import { isAlive, isOver } from "../../machines/taskMachine.ts";
import type { EventReader, EventToAppend } from "../../store/eventStore.ts";
import { runFolderName } from "../../store/folder/stateFolder.ts";
import type { DriverServices } from "../opening/services.ts";
import { cleanUpRun } from "../run/cleanUpRun.ts";
import { advance, toTaskEvent } from "../task/storedEvents.ts";
import { endOf, settledHistory } from "./recovery.ts";

type ReconcileServices = Pick<DriverServices, "store" | "folder" | "log" | "unsaved">;

/**
 * Puts a state folder in order. What the log refuses for now is done as soon as it takes events again.
 * @param inUse whether this process has to do with a task by now: it sees to its history itself, then
 * @returns ids of the tasks that run, for which the agent has yet to ask
 */
export async function reconcile(
  services: ReconcileServices,
  inUse: (taskId: string) => boolean,
): Promise<Set<string>> {
  const { store, folder, log, unsaved } = services;
  const left = new Set(readdirSync(folder.run));
  const running = new Set<string>();
  for (const { stream } of [...store.streams()]) {
    const hasFiles = left.delete(runFolderName(stream));
    const keep = async ({ runs, version, events }: Settled) => {
      if (runs) running.add(stream);
      if (events.length > 0) await store.append(stream, version, events);
      if (runs) return;
      running.delete(stream);
      if (hasFiles) removeFiles(stream, services);
    };
    const again = async () => {
      if (!inUse(stream)) await keep(await settle(stream, services));
    };
    try {
      const settled = await settle(stream, services);
      await keep(settled).catch((thrown: unknown) => {
        if (isWholeLog(thrown)) throw thrown;
        const error = DriverError.from(thrown, "STORE_FAILED", "what became of a task could not be stored");
        unsaved.hold({ id: stream, stored: again }, error);
      });
    } catch (thrown) {
      if (isWholeLog(thrown)) throw thrown;
      // One history that cannot be read must not keep the plugin from all the others.
      log.error("an earlier task cannot be looked after", { task_id: stream, error: messageOf(thrown) });
    }
  }
  for (const name of left) removeUnused(join(folder.run, name));
  return running;
}

/** Whether it is the log that is damaged, as LMDB tells it, and not an event of it. */
function isWholeLog(thrown: unknown): boolean {
  return thrown instanceof DriverError && thrown.code === "STORE_DAMAGED" && thrown.failed !== undefined;
}

/** What has come of a task. */
interface Settled {
  readonly runs: boolean;
  /** Number of the last event that is stored. */
  readonly version: number;
  /** Those that belong after it. */
  readonly events: readonly EventToAppend[];
}

async function settle(taskId: string, services: ReconcileServices): Promise<Settled> {
  const { store } = services;
  const over: Settled = { runs: false, version: 0, events: [] };
  if (isOverAlready(taskId, store)) return over;
  const history = await settledHistory(taskId, services);
  if (history === undefined) return over;
  const { snapshot, version, unstored = [] } = history;
  const end = isAlive(stateName(snapshot)) ? endOf(snapshot) : undefined;
  if (end !== undefined) await cleanUpRun(snapshot);
  const ended = advance(snapshot, end ? [{ ...end, time: Date.now() }] : []);
  const runs = isAlive(stateName(ended.snapshot));
  return { runs, version, events: [...unstored, ...ended.events] };
}

function removeFiles(taskId: string, { folder, log }: ReconcileServices): void {
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
  if (hasNoWriter(alive) && readExitStatus(status) === undefined)
    rmSync(folder, { recursive: true, force: true });
}

/** @throws DriverError for a last event that is damaged, or too new for this driver */
function isOverAlready(taskId: string, store: EventReader): boolean {
  const [last] = store.readStream(taskId, store.version(taskId));
  if (last !== undefined) toTaskEvent(last);
  return last !== undefined && isOver(last.to);
}
