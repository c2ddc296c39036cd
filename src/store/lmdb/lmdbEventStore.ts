/**
 * The event log in LMDB. Only this file imports lmdb. Importing this file loads lmdb, which takes too long
 * for the plugin's handshake.
 *
 * The log has four tables:
 *
 * - the records of events, by position;
 * - the positions of events, by the stream's first position and the event's number;
 * - the heads of streams, by name;
 * - the names of streams whose tasks are not over, by first position.
 *
 * An append makes three puts, whatever the log's size. Transactions are synchronous, because a transaction
 * takes some 20 µs. lmdb's asynchronous transactions wait for another thread, which waits for the disk.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { open, type RootDatabase, type RootDatabaseOptions } from "lmdb";
import { DriverError } from "../../base/errors.ts";
import { bootId } from "../../effects/kernel/kernelFiles.ts";
import type { EventStore } from "../eventStore.ts";
import { logFiles } from "../folder/logFolders.ts";
import { LogStore } from "../logStore.ts";
import { damaged, damageHint, storeError } from "../storeError.ts";
import { usageIn } from "../usage/usageFile.ts";
import { BackgroundFlush, type Pin } from "./backgroundFlush.ts";
import { CheckpointFile } from "./checkpoint.ts";
import {
  headValue,
  nameKey,
  nameValue,
  positionKey,
  positionValue,
  recordValue,
  sequenceKey,
} from "./lmdbCodecs.ts";
import type { LmdbEnvironment, Slot } from "./lmdbEnvironment.ts";
import {
  checkLayout,
  dropFreeList,
  inspectLog,
  LAYOUT,
  LAYOUT_KEY,
  type LogState,
  noLog,
  requireWritable,
  restoreCheckpoint,
  syncFolder,
} from "./lmdbFile.ts";
import { LmdbTable } from "./lmdbTable.ts";
import { NewestCommit } from "./newestCommit.ts";
import { findPageDefect } from "./pageCheck.ts";
import { WorkMark } from "./workMark.ts";

/** Size of LMDB's map: address space, not memory or disk. So large that the map rarely has to grow. */
const MAP_BYTES = 2 ** 36;
/** Key of the first position of a stream whose removal is not finished. */
const PRUNED_KEY = Buffer.from("pruned");

export interface OpenOptions {
  /** The current boot; by default the kernel's boot id. Set by tests that simulate a power cut. */
  readonly bootId?: string;
  /** Address space for the map. Set by tests in which the map has to grow. */
  readonly mapBytes?: number;
}

/**
 * Opens the log in a folder for writing, and creates it if there is none (folder 0700, files 0600). There may
 * be only one writer at a time, so the caller must own the folder.
 * @throws DriverError `STORE_DAMAGED` for a log that can never be used again: the caller may quarantine it
 * @throws DriverError `STORE_FAILED` for a log that cannot be opened, or that a newer version wrote
 */
export async function openEventStore(folder: string, options: OpenOptions = {}): Promise<EventStore> {
  const boot = options.bootId ?? bootId();
  const files = logFiles(folder);
  using opened = new DisposableStack();
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // LMDB crashes when it creates files on a full disk. If the files exist, the plugin can start and take
    // over its tasks even on a full disk.
    if (!existsSync(files.data) || !existsSync(files.lock)) requireWritable(folder, 0);
    const checkpoints = opened.adopt(CheckpointFile.open(files.checkpoint), (file) => file.close());
    const mark = opened.adopt(WorkMark.open(folder, files.data), (each) => each.remove());
    const guards = { boot, checkpoints, mark };
    const state = await requireIntact(folder, guards);
    const table = await withRoot(folder, options, (root) => openTable(root, folder, state, guards));
    mark.opened();
    const store = await checked(new LogStore(table, usageIn(folder)), table);
    // From now on, these files are closed together with the store.
    opened.move();
    return store;
  } catch (thrown) {
    throw storeError(thrown, "open", folder);
  }
}

/** Protection of the log against damage, and against the death of its writer. */
interface Guards {
  /** The current boot. */
  readonly boot: string;
  readonly checkpoints: CheckpointFile;
  readonly mark: WorkMark;
}

/**
 * Restores the log after a power cut. Checks the log's pages, except in two cases: the log was closed in this
 * boot; or its writer was killed in this boot, and the mark is trusted (workMark.ts). In both cases the
 * kernel's page cache has only whole commits. If a page is damaged nevertheless, LMDB may crash the process
 * once. The next process then checks the pages.
 * @throws DriverError `STORE_DAMAGED`
 */
async function requireIntact(folder: string, { boot, checkpoints, mark }: Guards): Promise<LogState> {
  const state = inspectLog(folder, boot);
  const { data, checkpoint } = state;
  if (data === "torn" && checkpoint !== undefined) restoreCheckpoint(folder, checkpoint);
  const isTrusted = checkpoint?.bootId === boot && (!checkpoints.leftOpen || mark.isTrusted);
  if (data !== "missing" && !isTrusted) {
    const path = logFiles(folder).data;
    // Takes seconds for a log of gigabytes.
    const defect = await findPageDefect(path);
    if (defect?.onlyInFreeList) dropFreeList(path);
    else if (defect !== undefined) throw damaged(path, defect.what);
  }
  checkpoints.markInUse(true);
  mark.opening(isTrusted && checkpoints.leftOpen);
  return state;
}

async function openTable(
  root: RootDatabase,
  folder: string,
  { data, checkpointed }: LogState,
  { boot, checkpoints, mark }: Guards,
): Promise<LmdbTable> {
  const { data: dataPath } = logFiles(folder);
  if (root.get(LAYOUT_KEY) === undefined) {
    for (const _ of root.getKeys({ limit: 1 })) throw damaged(dataPath, "it is another program's");
    root.transactionSync(() => void root.put(LAYOUT_KEY, Buffer.from([LAYOUT])));
  }
  const lmdb = environment(root, folder);
  if (data === "missing") syncFolder(folder);
  const newest = new NewestCommit(folder);
  const log = { dataPath, bootId: boot, checkpoints, pin: () => mark.during(() => pin(root, newest)) };
  const flush = await BackgroundFlush.open(log, checkpointed);
  return new LmdbTable(lmdb, folder, { flush, newest, mark });
}

/**
 * Checks the newest event only: it must be intact, and be the last event of its stream. All other events are
 * checked when they are read.
 */
async function checked(store: LogStore, table: LmdbTable): Promise<EventStore> {
  try {
    for (const { stream, seq, hash } of store.readAll(store.lastPosition())) {
      const head = table.head(stream);
      if (head?.version === seq && head.hash === hash) continue;
      const summary = `the event log is damaged: its newest event does not end ${stream}`;
      throw new DriverError("STORE_DAMAGED", summary, { hint: damageHint });
    }
    return store;
  } catch (thrown) {
    await store.close();
    throw thrown;
  }
}

function pin(root: RootDatabase, newest: NewestCommit): Pin {
  // The next checkpoint wakes readers, who must then see the commit that the checkpoint describes.
  newest.publish();
  // Releases the snapshots of killed readers, which would otherwise be held for ever.
  root.readerCheck();
  root.resetReadTxn();
  return root.useReadTransaction();
}

async function withRoot<T>(
  folder: string,
  { mapBytes = MAP_BYTES }: OpenOptions,
  action: (root: RootDatabase) => Promise<T>,
): Promise<T> {
  let root: RootDatabase | undefined;
  try {
    root = open(folder, {
      noSubdir: false,
      maxDbs: 4,
      mapSize: mapBytes,
      permissionsMode: 0o600,
      // backgroundFlush.ts flushes instead.
      overlappingSync: false,
      encoding: "binary",
      keyEncoding: "binary",
    } as RootDatabaseOptions);
    return await action(root);
  } catch (thrown) {
    await root?.close();
    throw storeError(thrown, "open", folder);
  }
}

function environment(root: RootDatabase, folder: string): LmdbEnvironment {
  checkLayout(root.get(LAYOUT_KEY), folder);
  const table = <T extends keyof LmdbEnvironment>(name: T, options: object) => {
    const database: unknown = root.openDB(name, options);
    if (database === undefined) throw noLog(folder);
    return database as LmdbEnvironment[T];
  };
  return {
    records: table("records", { keyEncoder: positionKey, encoder: recordValue }),
    positions: table("positions", { keyEncoder: sequenceKey, encoder: positionValue }),
    heads: table("heads", { keyEncoder: nameKey, encoder: headValue }),
    open: table("open", { keyEncoder: positionKey, encoder: nameValue }),
    pruned: slot(root, PRUNED_KEY),
    resetReadTxn: () => root.resetReadTxn(),
    transactionSync: (action, flags) => root.transactionSync(action, flags),
    close: () => root.close(),
  };
}

function slot(root: RootDatabase, key: Buffer): Slot {
  return {
    get: () => {
      const bytes = root.get(key);
      return bytes && positionValue.decode(bytes);
    },
    put: (value) => {
      if (value === undefined) root.removeSync(key);
      else root.putSync(key, positionValue.encode(value));
    },
  };
}
