/** Finds event logs below a state folder, and bundles in folders that `import` or `archive` made. */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { stateFolderPaths } from "./stateFolder.ts";

/** The files in the folder of an event log. */
export function logFiles(folder: string) {
  return {
    data: join(folder, "data.mdb"),
    lock: join(folder, "lock.mdb"),
    checkpoint: join(folder, "checkpoint"),
  };
}

/** The folders of all existing logs below a state folder. On a full disk, a plugin makes a folder without a log. */
export function logFolders(stateDir: string): string[] {
  return eventFolders(stateDir).filter(hasLog);
}

/**
 * All folders to watch for new logs and for plugins that come or go. If the state folder does not exist yet,
 * the nearest existing folder around it takes its place. A log's folder is among them only until it has a log.
 */
export function foldersOfLogs(stateDir: string): string[] {
  const empty = eventFolders(stateDir).filter((folder) => !hasLog(folder));
  return [nearestFolder(resolve(stateDir)), localFolder(stateDir), ...stateFolders(stateDir), ...empty];
}

function eventFolders(stateDir: string): string[] {
  return stateFolders(stateDir).map((folder) => stateFolderPaths(folder).events);
}

function hasLog(folder: string): boolean {
  return existsSync(logFiles(folder).data);
}

function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}

/** The bundle in a folder that `import` made. */
export function importedBundle(folder: string): string {
  return join(folder, "bundle.jsonl");
}

/** Where `archive` writes its bundles by default. */
export function archiveFolder(stateDir: string): string {
  return join(stateDir, "archive");
}

/** All bundles in a folder, which `import` or `archive` made, by their names. */
export function bundlesIn(folder: string): string[] {
  const names = namesIn(folder).filter((name) => /^[^.].*\.jsonl$/.test(name));
  return names.sort().map((name) => join(folder, name));
}

/** All folders that may hold an event log: the agent's own, then those of local runs. */
export function stateFolders(stateDir: string): string[] {
  return [stateDir, ...localNumbers(stateDir).map((number) => join(localFolder(stateDir), String(number)))];
}

/** Holds the state folders of local runs, named by numbers. */
function localFolder(stateDir: string): string {
  return join(stateDir, "local");
}

/** Whether a state folder belongs to a local run, and not to an agent. */
export function isLocal(stateFolder: string): boolean {
  return basename(dirname(stateFolder)) === "local";
}

function localNumbers(stateDir: string): number[] {
  const names = namesIn(localFolder(stateDir)).filter((name) => /^\d+$/.test(name));
  return names.map(Number).sort((a, b) => a - b);
}

/** Names in a folder; none if it cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
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
