/**
 * Reads LMDB's data file without LMDB. If a file is not LMDB's or is truncated, or if its disk is full, LMDB
 * may crash the whole process (SIGSEGV, SIGBUS) instead of reporting an error. So this module inspects each
 * file before LMDB opens it, and checks the free space on the disk before LMDB writes.
 *
 * The file's first two pages are its *meta pages*. Each describes a snapshot of the database, and every
 * commit overwrites the older of the two. Layout: a page header of 24 bytes, then `struct MDB_meta` of
 * liblmdb's mdb.c.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { limitIn, ownLimits } from "../../effects/limits/processLimits.ts";
import { formatBytes } from "../../units/sizes.ts";
import { logFiles } from "../folder/logFolders.ts";
import { damaged } from "../storeError.ts";
import { type Checkpoint, readCheckpoint } from "./checkpoint.ts";
import { metaPageOf, newestMeta, noFreePages } from "./pages.ts";

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const MAGIC_AT = 24;
const VERSION_AT = 28;
const PAGE_SIZE_AT = 48;
const META_BYTES = 168;

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

/** Restores the log to a checkpoint. No process may have the log open. */
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
 * Makes the newest snapshot's list of free pages empty. The file keeps the space of these pages, and its entries
 * stay as they are: no entry is in a free page. LMDB reads the list's place at the begin of each transaction, so it
 * may have the file open, but no transaction may be open.
 * @param path of the data file
 * @throws DriverError `STORE_DAMAGED` for a file that is not LMDB's
 */
export function dropFreeList(path: string): void {
  const descriptor = openSync(path, "r+");
  try {
    const metaPages = readMetaPages(descriptor, path);
    const page = metaPageOf(newestMeta(metaPages).commit);
    const { at, bytes } = noFreePages;
    writeSync(descriptor, bytes, 0, bytes.length, page * (metaPages.length / 2) + at);
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

/** Space that is kept free: many times the space that a transaction needs besides its events. */
const RESERVED_BYTES = 16 << 20;

/**
 * Keeps LMDB from running into a full disk, or into this process's limit of file sizes. Creating a log on a full disk
 * would crash the process. A failed write could crash the process, too: the error's text, which has numbers from
 * memory that LMDB has not set, may overflow the buffer that LMDB has for it. Takes 2 µs.
 * @param folder the event log's folder
 * @param bytes number of bytes about to be written
 * @throws DriverError `STORE_FAILED` if writing them would use up the reserve
 */
export function requireWritable(folder: string, bytes: number): void {
  requireFileSize(logFiles(folder).data, bytes);
  requireRoom(folder, bytes);
}

let largestFile: number | undefined;

/** @throws DriverError `STORE_FAILED` if the file with so many more bytes would come near RLIMIT_FSIZE */
function requireFileSize(path: string, bytes: number): void {
  largestFile ??= limitIn(ownLimits(), "RLIMIT_FSIZE").soft;
  if (largestFile === Number.POSITIVE_INFINITY) return;
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size + RESERVED_BYTES + bytes <= largestFile) return;
  const summary = `the event log has ${formatBytes(size)}, a file of this process at most ${formatBytes(largestFile)}, and ${formatBytes(RESERVED_BYTES)} are kept free`;
  throw new DriverError("STORE_FAILED", summary, {
    failed: { call: "commit", path, errno: "EFBIG" },
    hint: "Raise the agent's limit of file sizes: LimitFSIZE of its unit, or ulimit -f",
    recoverable: true,
  });
}

/**
 * Whether the disk of a folder has room for a log.
 * @param bytes number of bytes about to be written
 * @throws DriverError `STORE_FAILED` if writing them would use up the reserve
 */
export function requireRoom(folder: string, bytes: number): void {
  // Not `bavail`: root writes the log, and root may use all of `bfree`. Some file systems report no blocks at
  // all.
  const { blocks, bfree, bsize } = statfsSync(folder);
  const free = bfree * bsize;
  if (blocks === 0 || free >= RESERVED_BYTES + bytes) return;
  const summary = `the file system of the event log is full: ${formatBytes(free)} are left, ${formatBytes(RESERVED_BYTES)} are kept free`;
  throw new DriverError("STORE_FAILED", summary, {
    failed: { call: "commit", path: folder, errno: "ENOSPC" },
    hint: "Free space on the file system of state_dir",
    recoverable: true,
  });
}

/** Version of the tables' layout, stored under `LAYOUT_KEY`. */
export const LAYOUT = 1;
export const LAYOUT_KEY = Buffer.from("layout");

/**
 * @param stored the log's value under `LAYOUT_KEY`
 * @throws DriverError `STORE_FAILED` for a layout that this version does not know
 */
export function checkLayout(stored: Buffer | undefined, folder: string): void {
  const layout = stored?.[0];
  if (layout === undefined) throw noLog(folder);
  if (layout <= LAYOUT) return;
  const summary = `the event log in ${folder} has the layout of a newer version (${layout} instead of ${LAYOUT})`;
  const hint = "Use the version of the plugin that wrote it, or a newer one";
  throw new DriverError("STORE_FAILED", summary, { hint });
}

export function noLog(folder: string): DriverError {
  return new DriverError("STORE_FAILED", `there is no event log in ${folder}`, {
    hint: "The plugin creates the log when it first starts",
  });
}
