/** Writes the bundles of an archive. A bundle gets its name only once it is complete and on the disk. */
import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readStat } from "../../../effects/processes/processIdentity.ts";
import { DriverError, errnoOf } from "../../../errors.ts";
import { bundleLines } from "../../../replay/bundle/exportBundle.ts";
import { loadBundle } from "../../../replay/bundle/loadBundle.ts";
import { checkLog } from "../../../replay/check/checkLog.ts";
import { namesIn } from "../../../store/folder/logFolders.ts";
import { makeFolder } from "../../../store/folder/makeFolder.ts";
import { syncFolder } from "../../../store/lmdb/lmdbFile.ts";
import type { FoundRun } from "../../logs/chosenRun.ts";

export interface WrittenBundle {
  readonly path: string;
  /** Ids of tasks whose histories are damaged in the log, and so in the bundle. */
  readonly damaged: readonly string[];
}

/**
 * @param day the beginning of the bundle's name
 * @throws DriverError `OUTPUT_FAILED`
 */
export async function writeBundle(
  folder: string,
  day: string,
  runs: readonly FoundRun[],
): Promise<WrittenBundle> {
  const unfinished = join(folder, `.${day}.${process.pid}.new`);
  try {
    makeFolder(folder, 0o700);
    writeDurably(unfinished, runs);
    const { findings } = checkLog((await loadBundle(unfinished)).reader);
    const path = nameOnce(unfinished, (number) =>
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

/** Removes what a killed `archive` left. */
export function removeUnfinished(folder: string): void {
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
function nameOnce(unfinished: string, nameOf: (number: number) => string): string {
  for (let number = 1; ; number++) {
    try {
      linkSync(unfinished, nameOf(number));
      return nameOf(number);
    } catch (thrown) {
      if (errnoOf(thrown) !== "EEXIST") throw thrown;
    }
  }
}
