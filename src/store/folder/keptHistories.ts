/**
 * Stores which histories a person has pinned, and which are archived. Files in the state folder record both,
 * so they can be changed while no plugin runs. The plugin reads the files before it removes a history.
 */
import { lstatSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { parseJsonOrNothing } from "../../base/json.ts";
import { toTaskId } from "../../base/taskId.ts";
import { isUnfinished, makeFolder, namesIn, replaceFile } from "./files.ts";
import { runFolderName } from "./stateFolder.ts";

const pinSchema = z.object({
  /** The task's id. */
  task: z.string(),
  /** The reason that a person gave; may be empty. */
  reason: z.string(),
  /** Milliseconds since the epoch. */
  at: z.number(),
});

/** Keeps one task's history from being removed. */
export type Pin = Readonly<z.infer<typeof pinSchema>>;

/** @throws DriverError `STATE_DIR_UNUSABLE` */
export function pinHistory(stateFolder: string, pin: Pin): void {
  try {
    makeFolder(pinsFolder(stateFolder), 0o700);
    replaceDurably(pinPath(stateFolder, pin.task), `${JSON.stringify(pin)}\n`);
  } catch (thrown) {
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", `the pin cannot be kept in ${stateFolder}`);
  }
}

/**
 * @returns false if the history is not pinned
 * @throws DriverError `STATE_DIR_UNUSABLE`
 */
export function unpinHistory(stateFolder: string, task: string): boolean {
  try {
    rmSync(pinPath(stateFolder, task));
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return false;
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", `the pin cannot be removed from ${stateFolder}`);
  }
}

/** Whether a history is pinned. Also true if the pin cannot be looked up. */
export function isPinned(stateFolder: string, task: string): boolean {
  try {
    return lstatSync(pinPath(stateFolder, task), { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** All pins in a state folder; none if they cannot be read. */
export function readPins(stateFolder: string): Pin[] {
  const folder = pinsFolder(stateFolder);
  return namesIn(folder).flatMap((name) => {
    if (isUnfinished(name)) return [];
    const pin = pinSchema.safeParse(parseJsonOrNothing(textOf(join(folder, name))));
    return pin.success ? [pin.data] : [];
  });
}

/**
 * Marks histories as archived. The plugin may then remove them before their usual age.
 * @param tasks ids of all archived histories. This list replaces the earlier one.
 * @throws DriverError `STATE_DIR_UNUSABLE`
 */
export function markArchived(stateFolder: string, tasks: Iterable<string>): void {
  try {
    replaceDurably(archivedPath(stateFolder), JSON.stringify([...tasks]));
  } catch (thrown) {
    const summary = `the list of archived histories cannot be kept in ${stateFolder}`;
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", summary);
  }
}

/** Ids of the tasks whose histories are marked as archived; none if the marks cannot be read. */
export function readArchived(stateFolder: string): ReadonlySet<string> {
  const tasks = z.array(z.string()).safeParse(parseJsonOrNothing(textOf(archivedPath(stateFolder))));
  return new Set(tasks.data);
}

/** Replaces a file. Even after a power cut, the path has either the old file or the whole new file. */
function replaceDurably(path: string, text: string): void {
  replaceFile(path, (unfinished) => writeFileSync(unfinished, text, { mode: 0o600, flush: true }));
}

function pinsFolder(stateFolder: string): string {
  return join(stateFolder, "pins");
}

function pinPath(stateFolder: string, task: string): string {
  return join(pinsFolder(stateFolder), `${runFolderName(toTaskId(task))}.json`);
}

function archivedPath(stateFolder: string): string {
  return join(stateFolder, "archived.json");
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
