/**
 * LMDB's data file, read without LMDB. If a file is not LMDB's or is truncated,
 * LMDB crashes the whole process (SIGSEGV, SIGBUS) instead of reporting an error.
 * So every file is inspected here before LMDB opens it.
 *
 * The file's first two pages are its *meta pages*. Each describes a snapshot of
 * the database, and every commit overwrites the older of the two. Layout: a page
 * header of 24 bytes, then `struct MDB_meta` of liblmdb's mdb.c.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { DriverError, errnoOf } from "../../errors.ts";
import { type Checkpoint, readCheckpoint } from "../checkpoint.ts";

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const MAGIC_AT = 24;
const VERSION_AT = 28;
const PAGE_SIZE_AT = 48;
const META_BYTES = 168;

/** The files in the folder of an event log. */
export function logFiles(folder: string) {
  return {
    data: join(folder, "data.mdb"),
    lock: join(folder, "lock.mdb"),
    checkpoint: join(folder, "checkpoint"),
  };
}

export interface LogState {
  /** `intact`: LMDB can open it. `torn`: the machine went down before the last commits were flushed. */
  readonly data: "missing" | "intact" | "torn";
  readonly checkpoint: Checkpoint | undefined;
  /** Whether the newest checkpoint describes the newest commit and was made in this boot. */
  readonly checkpointed: boolean;
}

/**
 * Inspects a log without LMDB.
 * @param bootId the current boot
 * @throws DriverError `STORE_DAMAGED` for a file that LMDB must not open
 */
export function inspectLog(folder: string, bootId: string): LogState {
  const { data: path, checkpoint: checkpointPath } = logFiles(folder);
  const checkpoint = readCheckpoint(checkpointPath);
  const file = openData(path);
  if (file === undefined) {
    if (checkpoint !== undefined) throw damaged(path, "it is missing, or empty");
    return { data: "missing", checkpoint, checkpointed: false };
  }
  try {
    if (file.size < (checkpoint?.dataSize ?? 0)) throw damaged(path, `it was cut to ${file.size} bytes`);
    if (checkpoint === undefined || checkpoint.bootId === bootId) {
      const metaPages = readMetaPages(file.descriptor, path);
      return { data: "intact", checkpoint, checkpointed: checkpoint?.metaPages.equals(metaPages) ?? false };
    }
    const start = readStart(file.descriptor, checkpoint.metaPages.length, path);
    const data = start.equals(checkpoint.metaPages) ? "intact" : "torn";
    return { data, checkpoint, checkpointed: false };
  } finally {
    closeSync(file.descriptor);
  }
}

/** Flushes a folder and its parent, so that a new folder and the names of its files survive a power cut. */
export function syncFolder(folder: string): void {
  for (const each of [folder, dirname(folder)]) {
    const descriptor = openSync(each, "r");
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}

/** Restores the log to a checkpoint. Nobody may have it open. */
export function restoreCheckpoint(folder: string, { metaPages }: Checkpoint): void {
  const descriptor = openSync(logFiles(folder).data, "r+");
  try {
    writeSync(descriptor, metaPages, 0, metaPages.length, 0);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The two meta pages of an open data file.
 * @param path only for the error
 * @throws DriverError `STORE_DAMAGED` if they are not LMDB's
 */
export function readMetaPages(descriptor: number, path: string): Buffer {
  const first = readStart(descriptor, META_BYTES, path);
  checkMeta(first, path);
  const pageSize = first.readUInt32LE(PAGE_SIZE_AT);
  if (!PAGE_SIZES.includes(pageSize)) throw damaged(path, `its page size is ${pageSize}`);
  const pages = readStart(descriptor, 2 * pageSize, path);
  checkMeta(pages.subarray(pageSize), path);
  return pages;
}

const PAGE_SIZES = [4096, 8192, 16384, 32768, 65536];

function checkMeta(page: Buffer, path: string): void {
  if (page.readUInt32LE(MAGIC_AT) !== MAGIC) throw damaged(path, "it is not a database");
  const version = page.readUInt32LE(VERSION_AT);
  if (version !== DATA_VERSION) throw damaged(path, `its format is ${version}, not ${DATA_VERSION}`);
}

/** Opens the data file. Undefined if the file is missing or empty: LMDB initializes an empty file. */
function openData(path: string): { readonly descriptor: number; readonly size: number } | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw DriverError.from(thrown, "STORE_FAILED", "the event log cannot be opened");
  }
  const stat = fstatSync(descriptor);
  if (stat.isFile() && stat.size > 0) return { descriptor, size: stat.size };
  closeSync(descriptor);
  if (stat.isFile()) return undefined;
  throw damaged(path, "it is not a regular file");
}

function readStart(descriptor: number, length: number, path: string): Buffer {
  const bytes = Buffer.alloc(length);
  const read = readSync(descriptor, bytes, 0, length, 0);
  if (read < length) throw damaged(path, `it ends after ${read} bytes`);
  return bytes;
}

/** The error for a log that can never be used again. */
export function damaged(path: string, why: string): DriverError {
  return new DriverError("STORE_DAMAGED", `the event log ${path} is damaged: ${why}`, { hint: damageHint });
}

export const damageHint = "The plugin sets it aside when it starts, and begins a new one";

/** Version of the tables' layout, stored under `LAYOUT_KEY`. */
export const LAYOUT = 1;
export const LAYOUT_KEY = Buffer.from("layout");

/**
 * @param stored what the log has under `LAYOUT_KEY`
 * @throws DriverError `STORE_FAILED` for a layout that this version does not know
 */
export function checkLayout(stored: Buffer | undefined, folder: string): void {
  const layout = stored?.[0];
  if (layout === undefined) throw noLog(folder);
  if (layout <= LAYOUT) return;
  const summary = `the event log in ${folder} is of a newer version (${layout}, known is ${LAYOUT})`;
  const hint = "Use the version of the plugin that wrote it, or a newer one";
  throw new DriverError("STORE_FAILED", summary, { hint });
}

export function noLog(folder: string): DriverError {
  return new DriverError("STORE_FAILED", `there is no event log in ${folder}`, {
    hint: "The plugin makes it when it first starts",
  });
}
