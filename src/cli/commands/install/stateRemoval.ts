/**
 * Removes state folders, with the histories of tasks. Only folders with the driver's mark are touched, only while
 * nothing of them lives, and of them only the files that the driver makes.
 */
import { lstatSync, readdirSync, realpathSync, rmdirSync, rmSync, type Stats, unlinkSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { DriverError, errnoOf } from "../../../base/errors.ts";
import { shortNameOf } from "../../../base/taskId.ts";
import { cgroupsBelow, findCgroup2Mount, hasProcesses } from "../../../effects/cgroup/cgroup.ts";
import { hasNoWriter, runFiles } from "../../../effects/run/runFiles.ts";
import { namesIn } from "../../../store/folder/files.ts";
import { quarantinedLogs, stateFolders } from "../../../store/folder/logFolders.ts";
import { pluginOf } from "../../../store/folder/pluginAddress.ts";
import { isStateEntry, markName } from "../../../store/folder/stateEntries.ts";
import {
  isLocal,
  isRunFolder,
  lockStateFolder,
  stateFolderPaths,
  taskOfRunFolder,
} from "../../../store/folder/stateFolder.ts";
import { isMarked } from "../../../store/folder/stateMark.ts";
import { workMarkOf } from "../../../store/lmdb/workMark.ts";

/** State folders that nobody else uses as long as this object is not disposed of. */
export interface UnusedState extends Disposable {
  /** The folders, without links in their paths: those of local runs come before the folder around them. */
  readonly folders: readonly string[];
  /** The folder around those of local runs, if it has no mark, and so stays. */
  readonly unmarked: string | undefined;
}

/** What happened to a state folder, or would happen. */
export interface RemovedState {
  readonly folder: string;
  /** Whether the folder itself is removed, and not only its histories. */
  readonly whole: boolean;
  /** The entries that stay, because the driver did not make them, or nothing proves that it did. */
  readonly kept: readonly string[];
}

/**
 * Checks that state folders can be removed, and locks them.
 * @param stateDir an agent's state folder, or the folder around those of local runs
 * @throws DriverError `STATE_DIR_UNMARKED` if it is neither
 * @throws DriverError `STATE_DIR_IN_USE` while a task or a plugin of any of these folders lives
 */
export function takeUnusedState(stateDir: string): UnusedState {
  const all = stateFolders(realpathSync(stateDir)).toReversed();
  const marked = all.filter(isMarked);
  if (marked.length === 0) {
    throw new DriverError(
      "STATE_DIR_UNMARKED",
      `${stateDir} is no state folder: it has no mark of this driver`,
      {
        hint: "Name the driver's state_dir. A copy of a state folder gets a mark of its own as soon as an agent or a run uses it",
      },
    );
  }
  using locks = new DisposableStack();
  // A folder without a mark is not removed, but its runs may belong to the same agent.
  for (const folder of all) {
    const lock = lockStateFolder(folder);
    if (lock === undefined) throw inUse(folder, `a plugin (process ${pluginOf(folder) ?? "unknown"})`);
    locks.use(lock);
    const living = livingTasks(folder);
    if (living.length > 0) throw inUse(folder, `tasks: ${living.join(", ")}`);
  }
  const kept = locks.move();
  const unmarked = all.find((folder) => !isMarked(folder) && !isLocal(folder));
  return { folders: marked, unmarked, [Symbol.dispose]: () => kept.dispose() };
}

/**
 * Removes state folders, or only says what would be removed.
 * @throws the file system's error
 */
export function removeState({ folders }: UnusedState, dryRun: boolean): RemovedState[] {
  const gone = new Set<string>();
  return folders.map((folder) => {
    if (!dryRun) removeWorkMarks(folder);
    const kept = removeEntries(folder, { state: folder, gone, dryRun });
    const whole = kept.length === 0 && (dryRun || removeFolder(folder));
    if (whole) gone.add(folder);
    if (whole && !dryRun && isLocal(folder)) removeFolder(dirname(folder));
    return { folder, whole, kept };
  });
}

/** Names of the tasks whose runs are not over. */
function livingTasks(folder: string): string[] {
  const { run } = stateFolderPaths(folder);
  const all = namesIn(run).filter(isRunFolder);
  const over = all.filter((name) => hasNoWriter(runFiles(join(run, name)).alive));
  const orphans = over.length === 0 ? [] : orphansAmong(over);
  return all.filter((name) => !over.includes(name) || orphans.includes(name)).map(shortNameOfRun);
}

/**
 * The runs whose init was killed, but whose cgroups still have processes: a task in the host's pid namespace, or a
 * task of another driver, outlives its init. The names of a run's folder and of an agent's cgroup for the task both
 * begin with the allocation's id.
 */
function orphansAmong(runs: readonly string[]): string[] {
  const mount = findCgroup2Mount();
  if (mount === undefined) return [];
  const living = scopesBelow(mount)
    .filter(hasProcesses)
    .map((path) => basename(path));
  return runs.filter((run) => living.some((scope) => scope.startsWith(`${run.split("_")[0]}.`)));
}

/** Paths of the cgroups below a cgroup that agents and `run` make for tasks. */
function scopesBelow(cgroup: string): string[] {
  return cgroupsBelow(cgroup).flatMap((name) => {
    const path = join(cgroup, name);
    return name.endsWith(".scope") ? [path] : scopesBelow(path);
  });
}

function shortNameOfRun(folder: string): string {
  const id = taskOfRunFolder(folder);
  return id === undefined ? folder : shortNameOf(id);
}

function inUse(folder: string, by: string): DriverError {
  return new DriverError("STATE_DIR_IN_USE", `${folder} is in use by ${by}`, {
    hint: isLocal(folder)
      ? "Stop the run, or uninstall without --histories. What a killed run left: nomad-driver-exec2 clean"
      : "Drain the node and stop its agent first, or uninstall without --histories",
  });
}

/** A writer that was killed has left its mark in /run. */
function removeWorkMarks(folder: string): void {
  const { events } = stateFolderPaths(folder);
  for (const log of [events, ...quarantinedLogs(events)]) {
    if (lstatSync(log, { throwIfNoEntry: false })?.isDirectory()) rmSync(workMarkOf(log), { force: true });
  }
}

interface RemovalFrom {
  readonly state: string;
  /** State folders that are removed already, or would be. */
  readonly gone: ReadonlySet<string>;
  readonly dryRun: boolean;
}

/** @returns the entries that are kept */
function removeEntries(folder: string, from: RemovalFrom): string[] {
  const { state, gone, dryRun } = from;
  const { dev } = lstatSync(state);
  // The mark is removed last: without it, nobody could resume an interrupted removal.
  const names = readdirSync(folder).sort((a, b) => Number(a === markName) - Number(b === markName));
  return names.flatMap((name) => {
    const path = join(folder, name);
    if (gone.has(path)) return [];
    const status = lstatSync(path);
    if (status.dev !== dev || !isOwn(relative(state, path), status)) return [path];
    if (!status.isDirectory()) {
      if (!dryRun) unlinkSync(path);
      return [];
    }
    const kept = removeEntries(path, from);
    return kept.length > 0 || dryRun || removeFolder(path) ? kept : [path];
  });
}

/** The driver makes only one link. Any other link leads to what somebody else has put elsewhere. */
function isOwn(path: string, status: Stats): boolean {
  return isStateEntry(path) && (!status.isSymbolicLink() || path === "plugin.sock");
}

/** @returns false if the folder is not empty, or is a mount point */
function removeFolder(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (thrown) {
    if (["ENOTEMPTY", "EBUSY"].includes(errnoOf(thrown) ?? "")) return false;
    throw thrown;
  }
}
