/**
 * `archive`: writes the histories of ended tasks to bundles. A bundle gets its name only once it is complete
 * and on the disk.
 */

import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DriverError, errnoOf } from "../../../base/errors.ts";
import { readStat } from "../../../effects/processes/processIdentity.ts";
import { bundleLines } from "../../../history/replay/bundle/exportBundle.ts";
import { loadBundle } from "../../../history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../../history/replay/check/checkLog.ts";
import { makeFolder, namesIn } from "../../../store/folder/files.ts";
import { markArchived } from "../../../store/folder/keptHistories.ts";
import { archiveFolder, bundlesIn } from "../../../store/folder/logFolders.ts";
import { syncFolder } from "../../../store/lmdb/lmdbFile.ts";
import { streamsOf } from "../../histories/archives.ts";
import type { FoundRun } from "../../histories/chosenRun.ts";
import { EventLogs } from "../../histories/eventLogs.ts";
import { requireRoot } from "../../requireRoot.ts";
import { warn } from "../../terminal/errors.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print } from "../../terminal/output.ts";
import { type EndedRun, endedBefore } from "./endedRuns.ts";

export interface ArchiveOptions {
  readonly stateDir: string;
  /** The folder for the bundles; undefined for the archive in the state folder. */
  readonly into: string | undefined;
  readonly olderThanMs: number;
  /** Whether the driver may remove archived histories from its log. */
  readonly prune: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/**
 * Maximum number of tasks in a bundle. A bundle is loaded as a whole, and this many tasks take some 10 MiB.
 */
const maxTasks = 1_000;

/**
 * @returns the exit code: 1 if a history is damaged
 * @throws DriverError `STORE_FAILED`, `OUTPUT_FAILED`, `STATE_DIR_UNUSABLE`
 */
export async function archiveTasks(options: ArchiveOptions): Promise<number> {
  requireRoot("only root can read the driver's event log");
  const { stateDir, olderThanMs, prune, dryRun } = options;
  const folder = resolve(options.into ?? archiveFolder(stateDir));
  await using logs = await EventLogs.open(stateDir);
  if (logs.folders.length === 0) throw new DriverError("UNSUPPORTED", `${stateDir} is already an archive`);
  const old = endedBefore(logs.tasks(), Date.now() - olderThanMs);
  const hashes = new Set(
    bundlesIn(folder)
      .flatMap(streamsOf)
      .map(({ hash }) => hash),
  );
  const missing = old.filter(({ run }) => !hashes.has(run.head.hash));
  const batches = batchesOf(missing);
  if (!dryRun) removeUnfinished(folder);
  const damaged = new Set<string>();
  for (const batch of batches) for (const id of await archive(batch, folder, options)) damaged.add(id);
  if (batches.length === 0 && !options.json)
    print(`No task to archive${old.length === 0 ? "" : `: ${old.length} in ${folder} already`}`);
  if (prune && !dryRun) letPrune(logs, old, damaged);
  return damaged.size > 0 ? 1 : 0;
}

interface Batch {
  readonly day: string;
  readonly runs: readonly FoundRun[];
}

function batchesOf(ended: readonly EndedRun[]): Batch[] {
  const days = [...Map.groupBy(ended, ({ day }) => day)].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return days.flatMap(([day, list]) =>
    Array.from({ length: Math.ceil(list.length / maxTasks) }, (_, index) => ({
      day,
      runs: list.slice(index * maxTasks, (index + 1) * maxTasks).map(({ run }) => run),
    })),
  );
}

/** @returns ids of the tasks whose histories in the bundle are damaged */
async function archive(
  { day, runs }: Batch,
  folder: string,
  { dryRun, json }: ArchiveOptions,
): Promise<readonly string[]> {
  const written = dryRun ? undefined : await writeBundle(folder, day, runs);
  const tasks = `${runs.length} ${runs.length === 1 ? "task" : "tasks"} of ${day}`;
  if (json) print(jsonOf("archive", { bundle: written?.path ?? null, day, tasks: runs.map(({ id }) => id) }));
  else print(written ? `archived ${tasks}: ${written.path}` : `would archive ${tasks}`);
  const { path, damaged = [] } = written ?? {};
  if (damaged.length > 0) warn(`${damaged.length} of these are damaged, see replay --check ${path}`);
  return damaged;
}

/**
 * Marks histories as archived. Skips damaged ones, because the log may hold events that their bundle lacks.
 */
function letPrune(logs: EventLogs, old: readonly EndedRun[], damaged: ReadonlySet<string>): void {
  const folders = Map.groupBy(old, ({ run }) => logs.stateFolderOf(run) ?? "");
  for (const [folder, runs] of folders) {
    markArchived(
      folder,
      runs.map(({ run }) => run.id).filter((id) => !damaged.has(id)),
    );
  }
}

interface WrittenBundle {
  readonly path: string;
  /** Ids of tasks whose histories are damaged in the log, and so in the bundle. */
  readonly damaged: readonly string[];
}

/**
 * @param day the beginning of the bundle's name
 * @throws DriverError `OUTPUT_FAILED`
 */
async function writeBundle(folder: string, day: string, runs: readonly FoundRun[]): Promise<WrittenBundle> {
  const unfinished = join(folder, `.${day}.${process.pid}.new`);
  try {
    makeFolder(folder, 0o700);
    writeDurably(unfinished, runs);
    const { findings } = checkLog((await loadBundle(unfinished)).reader);
    const path = takeFreeName(unfinished, (number) =>
      join(folder, number === 1 ? `${day}.jsonl` : `${day}-${number}.jsonl`),
    );
    syncFolder(folder);
    return { path, damaged: findings.map(({ stream }) => stream) };
  } catch (thrown) {
    throw DriverError.from(thrown, "OUTPUT_FAILED", `the archive ${folder} cannot be written`);
  } finally {
    if (existsSync(unfinished)) rmSync(unfinished);
  }
}

/** Removes the unfinished bundles that a killed `archive` left behind. */
function removeUnfinished(folder: string): void {
  for (const name of namesIn(folder)) {
    const [, pid] = /^\.[\d-]+\.(\d+)\.new$/.exec(name) ?? [];
    if (pid !== undefined && readStat(Number(pid)) === undefined) rmSync(join(folder, name), { force: true });
  }
}

const pieceLength = 1 << 20;

function writeDurably(path: string, runs: readonly FoundRun[]): void {
  const file = openSync(path, "wx", 0o600);
  try {
    let piece = "";
    for (const line of bundleLines(runs, { mask: false, now: Date.now() })) {
      piece += `${line}\n`;
      if (piece.length < pieceLength) continue;
      writeFileSync(file, piece);
      piece = "";
    }
    writeFileSync(file, piece);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Gives a file the first free name. Uses link(2), because rename(2) would replace an existing file. */
function takeFreeName(unfinished: string, nameOf: (number: number) => string): string {
  for (let number = 1; ; number++) {
    try {
      linkSync(unfinished, nameOf(number));
      return nameOf(number);
    } catch (thrown) {
      if (errnoOf(thrown) !== "EEXIST") throw thrown;
    }
  }
}
