/**
 * Settles what an earlier plugin process left when it died: starts that it never answered, runs that ended
 * while no plugin watched, and files of ended runs. This happens once, when the plugin is configured, because
 * the plugin may touch nothing before its configuration.
 */

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DriverError, isShortage, messageOf } from "../../base/errors.ts";
import { type TaskId, toTaskId } from "../../base/taskId.ts";
import { hasNoWriter, readExitStatus, runFiles, wasReleased } from "../../effects/run/runFiles.ts";
import { isAlive, isOver, type TaskSnapshot } from "../../machines/taskMachine.ts";
import type { EventReader, EventToAppend, StreamEntry } from "../../store/eventStore.ts";
import {
  isHashedRunFolder,
  runFolderName,
  taskOfRunFolder,
  withoutStart,
} from "../../store/folder/stateFolder.ts";
import { advance, type TaskHistory, toTaskEvent } from "../history/taskHistory.ts";
import type { EndingServices } from "../run/ending.ts";
import type { DriverServices } from "../services.ts";
import { endOf, readSettled } from "./recovery.ts";

type ReconcileServices = Pick<DriverServices, "store" | "log" | "unsaved"> & EndingServices;

/**
 * Reconciles the log with the host. Events that the log refuses for now are stored once it accepts them.
 * @param inUse whether this process already has the task, and so records its history itself
 * @returns the running tasks; the agent has not asked for any of them yet
 */
export async function reconcile(
  services: ReconcileServices,
  inUse: (taskId: TaskId) => boolean,
): Promise<DriverServices["unclaimed"]> {
  const { store, folder, log, unsaved } = services;
  // If the host does not execute memfds, the plan runner's file lies beside the runs' folders.
  const entries = readdirSync(folder.run, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  /** Names of the runs' folders, by their names without the mark of the start. */
  const leftover = Map.groupBy(folders, withoutStart);
  const running: DriverServices["unclaimed"] = new Map();
  for (const { stream, state } of streamsToSettle(leftover, store)) {
    const taskId = toTaskId(stream);
    const files = leftover.get(runFolderName(taskId)) ?? [];
    leftover.delete(runFolderName(taskId));
    const mayBeOver = state === undefined || isOver(state);
    const save = async ({ history, unstored }: Settled) => {
      const runs = history !== undefined && isAlive(history.snapshot.value);
      if (runs) running.set(taskId, undefined);
      if (history !== undefined && unstored.length > 0) await store.append(taskId, history.version, unstored);
      if (runs) running.set(taskId, { ...history, version: history.version + unstored.length });
      else running.delete(taskId);
      removeFiles(taskId, files, runs ? history.snapshot : undefined, services);
    };
    const retry = async () => {
      if (inUse(taskId)) return;
      const settled = await settle(taskId, services);
      // A call of the agent may have come meanwhile, and settles the task itself.
      if (!inUse(taskId)) await save(settled);
    };
    try {
      const settled = mayBeOver && isOverAlready(taskId, store) ? over : await settle(taskId, services);
      await save(settled).catch((thrown: unknown) => {
        if (isDamagedLog(thrown)) throw thrown;
        const error = DriverError.from(thrown, "STORE_FAILED", "the end of a task could not be stored");
        unsaved.add({ id: taskId, stored: retry }, error);
      });
    } catch (thrown) {
      if (isDamagedLog(thrown)) throw thrown;
      // One unreadable history must not prevent the recovery of all other tasks.
      log.error("an earlier task cannot be reconciled", { task_id: taskId, error: messageOf(thrown) });
      if (!isShortage(thrown)) continue;
      // Its processes may run. So it counts as running, until it can be looked at.
      running.set(taskId, undefined);
      unsaved.add({ id: taskId, stored: retry }, DriverError.from(thrown, "KERNEL_CALL_FAILED", unknown));
    }
  }
  for (const name of [...leftover.values()].flat()) {
    try {
      removeIfDead(join(folder.run, name));
    } catch (thrown) {
      // The next plugin process tries again.
      log.warn("the files of an earlier run cannot be removed", { folder: name, error: messageOf(thrown) });
    }
  }
  return running;
}

/**
 * The open streams, then closed streams whose runs still have folders.
 * @param leftover runs' folders, by their names without the mark of the start. For each stream that the caller
 *   receives, the caller removes the run's folders from it
 */
function* streamsToSettle(
  leftover: ReadonlyMap<string, unknown>,
  store: EventReader,
): Iterable<Pick<StreamEntry, "stream" | "state">> {
  yield* store.openStreams();
  const folders = [...leftover.keys()];
  for (const name of folders) {
    const stream = taskOfRunFolder(name);
    if (stream !== undefined && store.version(stream) > 0) yield { stream, state: undefined };
  }
  const hashed = new Set(folders.filter(isHashedRunFolder));
  if (hashed.size === 0) return;
  // If a task's id does not have Nomad's form, its folder's name is a hash of the id. So the only way to find
  // the task is to compare every stream.
  for (const entry of store.streams()) if (hashed.has(runFolderName(toTaskId(entry.stream)))) yield entry;
}

const unknown = "it is not known whether a task runs";

/** Whether LMDB reports that the whole log is damaged, rather than a single event. */
function isDamagedLog(thrown: unknown): boolean {
  return thrown instanceof DriverError && thrown.code === "STORE_DAMAGED" && thrown.failed !== undefined;
}

/** The current state of a task. */
interface Settled {
  /** Undefined for a task that had ended before. */
  readonly history: TaskHistory | undefined;
  /** Events of the history that are not stored yet. */
  readonly unstored: readonly EventToAppend[];
}

const over: Settled = { history: undefined, unstored: [] };

async function settle(taskId: TaskId, services: ReconcileServices): Promise<Settled> {
  const history = await readSettled(taskId, services);
  if (history === undefined) return over;
  const { snapshot, version, unstored = [] } = history;
  const end = isAlive(snapshot.value) ? await endOf(snapshot, services) : undefined;
  if (end === undefined) return { history: { snapshot, version }, unstored };
  const ended = advance(snapshot, [{ ...end, time: Date.now() }]);
  return { history: { snapshot: ended.snapshot, version }, unstored: [...unstored, ...ended.events] };
}

/** @param names of the folders of the task's starts @param running of the start that goes on */
function removeFiles(
  taskId: TaskId,
  names: readonly string[],
  running: TaskSnapshot | undefined,
  { folder, log }: ReconcileServices,
): void {
  const { sandbox = null, adopted = null } = running?.context ?? {};
  for (const name of names) {
    const path = join(folder.run, name);
    if (running === undefined) {
      rmSync(path, { recursive: true, force: true });
      log.debug("removed the files of a run that is over", { task_id: taskId });
    } else if (path !== (sandbox ?? adopted)?.runFolder) removeIfDead(path);
  }
}

/**
 * Removes the folder of a run that the log does not have. Usually the run's request was never stored. But if
 * the log is new, the agent may still have a handle of the run. So the folder stays if the run is alive, or if
 * its task was released and the task's exit is recorded.
 */
function removeIfDead(folder: string): void {
  const { status, alive } = runFiles(folder);
  const hasEnd = wasReleased(status) && readExitStatus(status) !== undefined;
  if (hasNoWriter(alive) && !hasEnd) rmSync(folder, { recursive: true, force: true });
}

/** @throws DriverError for a last event that is damaged, or too new for this driver */
function isOverAlready(taskId: TaskId, store: EventReader): boolean {
  const [last] = store.readStream(taskId, store.version(taskId));
  if (last !== undefined) toTaskEvent(last);
  return last !== undefined && isOver(last.to);
}
