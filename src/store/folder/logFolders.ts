/**
 * Finds event logs below a state folder, and bundles in folders that `import` or `archive` made. Quarantines
 * damaged logs.
 */
import { existsSync, readdirSync, renameSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { DriverError } from "../../base/errors.ts";
import { namesIn, nearestFolder } from "./files.ts";
import { stateFolderPaths } from "./stateFolder.ts";

/** The files in the folder of an event log. */
export function logFiles(folder: string) {
  return {
    data: join(folder, "data.mdb"),
    lock: join(folder, "lock.mdb"),
    checkpoint: join(folder, "checkpoint"),
  };
}

/**
 * The folders of all logs below a state folder. Folders without a log are left out: on a full disk, a plugin
 * makes a log's folder, but no log in it.
 */
export function logFolders(stateDir: string): string[] {
  return eventFolders(stateDir).filter(hasLog);
}

/**
 * All folders to watch for new logs and for plugins that come or go. If the state folder does not exist yet,
 * its nearest existing ancestor takes its place. The folder for a log is in the list until the log exists.
 */
export function foldersToWatch(stateDir: string): string[] {
  const empty = eventFolders(stateDir).filter((folder) => !hasLog(folder));
  return [nearestFolder(resolve(stateDir)), localFolder(stateDir), ...stateFolders(stateDir), ...empty];
}

function eventFolders(stateDir: string): string[] {
  return stateFolders(stateDir).map((folder) => stateFolderPaths(folder).events);
}

function hasLog(folder: string): boolean {
  return existsSync(logFiles(folder).data);
}

/** Stands between the log's former path and the time in the path of a quarantined log. */
const DAMAGED_MARK = ".damaged-";

/**
 * Quarantines a damaged log: renames its folder, and deletes nothing. No process may have the log open for
 * writing.
 * @returns the new path: `events.damaged-2026-01-31T12-30-00Z`
 * @throws DriverError `STATE_DIR_UNUSABLE` if the file system refuses
 */
export function quarantine(log: string, now: Date): string {
  const time = now.toISOString().replace(/\.\d+/, "").replaceAll(":", "-");
  let target = `${log}${DAMAGED_MARK}${time}`;
  while (existsSync(target)) target += "+";
  try {
    renameSync(log, target);
    return target;
  } catch (thrown) {
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", "a damaged event log cannot be renamed");
  }
}

/** The quarantined logs that used to have this path, oldest first. */
export function quarantinedLogs(log: string): string[] {
  const parent = dirname(log);
  const names = readdirSync(parent).filter((name) => name.startsWith(basename(log) + DAMAGED_MARK));
  return names.sort().map((name) => join(parent, name));
}

/** The bundle in a folder that `import` made. */
export function importedBundle(folder: string): string {
  return join(folder, "bundle.jsonl");
}

/** Where `archive` writes its bundles by default. */
export function archiveFolder(stateDir: string): string {
  return join(stateDir, "archive");
}

/** All bundles in a folder that `import` or `archive` made, sorted by name. */
export function bundlesIn(folder: string): string[] {
  const names = namesIn(folder).filter((name) => /^[^.].*\.jsonl$/.test(name));
  return names.sort().map((name) => join(folder, name));
}

/** All folders that may hold an event log: the agent's own, then those of local runs. */
export function stateFolders(stateDir: string): string[] {
  return [stateDir, ...localNumbers(stateDir).map((number) => join(localFolder(stateDir), String(number)))];
}

/** The folder that holds the state folders of local runs, which are named by numbers. */
function localFolder(stateDir: string): string {
  return join(stateDir, "local");
}

/** Whether a state folder is that of local runs, as {@link stateFolders} lists them, and not an agent's. */
export function isLocal(folder: string): boolean {
  return dirname(folder) === localFolder(dirname(dirname(folder)));
}

function localNumbers(stateDir: string): number[] {
  const names = namesIn(localFolder(stateDir)).filter((name) => /^\d+$/.test(name));
  return names.map(Number).sort((a, b) => a - b);
}

/** More concurrent runs are most likely a mistake. */
const maxRuns = 64;

/** The state folders that a run may use, tried one after another. */
export class StateFolderChoice {
  readonly #stateDir: string;
  #number = 1;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
  }

  get path(): string {
    return join(localFolder(this.#stateDir), String(this.#number));
  }

  /** Advances to the next folder; false if there are no more. */
  next(): boolean {
    if (this.#number === maxRuns) return false;
    this.#number++;
    return true;
  }
}
