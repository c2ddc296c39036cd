/**
 * The event log in LMDB: the only file that imports the database. Whoever
 * imports this one loads it, which the plugin's handshake has no time for.
 *
 * Three tables: records by position, appended at the end; the position of each
 * event of a stream, by the stream's first position and the event's number; the
 * head of each stream, by name. An append is three puts, whatever the log's size.
 * Transactions are synchronous: that takes some 20 µs, while LMDB's asynchronous
 * ones wait for another thread, and that one for the disk.
 */
import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { open, type RootDatabase, type RootDatabaseOptions } from "lmdb";
import { DriverError } from "../../errors.ts";
import { CheckpointFile } from "../checkpoint.ts";
import { FollowableLog, type FollowableReader, type FollowableStore } from "../followableLog.ts";
import { LogStore } from "../logStore.ts";
import { storeError } from "../storeError.ts";
import { BackgroundFlush, type Pin } from "./backgroundFlush.ts";
import { requireRoom } from "./diskRoom.ts";
import { folderChanges } from "./folderChanges.ts";
import { headValue, positionKey, positionValue, recordValue, sequenceKey } from "./lmdbCodecs.ts";
import type { LmdbEnvironment } from "./lmdbEnvironment.ts";
import { damaged, damageHint, inspectLog, logFiles, restoreCheckpoint, syncFolder } from "./lmdbFile.ts";
import { LmdbTable } from "./lmdbTable.ts";
import { NewestCommit } from "./newestCommit.ts";
import { findPageDefect } from "./pageCheck.ts";
import { WritableLmdbTable } from "./writableLmdbTable.ts";

/** Address space, not memory or disk: so much that the map hardly ever has to grow. */
const MAP_BYTES = 2 ** 36;
/** Version of the tables' layout, kept under this key. */
const LAYOUT = 1;
const LAYOUT_KEY = Buffer.from("layout");
/** First position of a stream whose records are not all removed. */
const PRUNED_KEY = Buffer.from("pruned");

export interface OpenOptions {
  /** This run of the machine, as the kernel tells it; given by tests that play a power cut. */
  readonly bootId?: string;
  /** Address space for the map; given by tests that see it grow. */
  readonly mapBytes?: number;
}

/**
 * Opens the log in a folder for writing and makes it where there is none (folder
 * 0700, files 0600). The caller owns the folder: there may be one writer at a time.
 * @throws DriverError `STORE_DAMAGED` for a log that cannot be used any more: it can be set aside
 * @throws DriverError `STORE_FAILED` where it cannot be opened, or is of a newer version
 */
export async function openEventStore(folder: string, options: OpenOptions = {}): Promise<FollowableStore> {
  const bootId = options.bootId ?? currentBootId();
  const files = logFiles(folder);
  let checkpoints: CheckpointFile | undefined;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // LMDB makes no file on a full disk; with those that are there, tasks can be taken over.
    if (!existsSync(files.data) || !existsSync(files.lock)) requireRoom(folder, 0);
    const locked = CheckpointFile.open(files.checkpoint);
    checkpoints = locked;
    const { data, checkpoint, checkpointed } = inspectLog(folder, bootId);
    if (data === "torn" && checkpoint !== undefined) restoreCheckpoint(folder, checkpoint);
    if (data !== "missing" && (locked.leftOpen || checkpoint?.bootId !== bootId))
      await checkPages(files.data);
    locked.markInUse(true);
    const table = await withRoot(folder, { readOnly: false, ...options }, async (root) => {
      if (root.get(LAYOUT_KEY) === undefined) {
        for (const _ of root.getKeys({ limit: 1 })) throw damaged(files.data, "it is another program's");
        root.transactionSync(() => void root.put(LAYOUT_KEY, Buffer.from([LAYOUT])));
      }
      const lmdb = environment(root, folder);
      if (data === "missing") syncFolder(folder);
      const newest = new NewestCommit(folder);
      const log = { dataPath: files.data, bootId, checkpoints: locked, pin: () => pin(root, newest) };
      const flush = await BackgroundFlush.open(log, checkpointed);
      return new WritableLmdbTable(lmdb, folder, flush, newest);
    });
    return await checked(new LogStore(table), table);
  } catch (thrown) {
    checkpoints?.close();
    throw storeError(thrown, "open", folder);
  }
}

/**
 * Opens a log for reading, in this process or another, while its writer writes.
 * @throws DriverError `STORE_FAILED` where there is none, or none that can be read as it is; `STORE_DAMAGED` as above
 */
export async function openEventReader(folder: string, options: OpenOptions = {}): Promise<FollowableReader> {
  const { data } = inspectLog(folder, options.bootId ?? currentBootId());
  if (data === "missing") throw noLog(folder);
  if (data === "torn") {
    const summary = `the event log in ${folder} was cut off when the machine went down`;
    throw new DriverError("STORE_FAILED", summary, { hint: "The plugin repairs it when it starts" });
  }
  return withRoot(folder, { readOnly: true, ...options }, async (root) => {
    return new FollowableLog(new LmdbTable(environment(root, folder), folder), folderChanges(folder));
  });
}

/**
 * After a clean end in this run of the machine a log is taken for whole, which
 * costs nothing. Where that is wrong LMDB may take the process down, once: the
 * next one finds the log left open, and looks at it here.
 */
async function checkPages(path: string): Promise<void> {
  const defect = await findPageDefect(path);
  if (defect !== undefined) throw damaged(path, defect);
}

/** One event stands for the log: it has to be intact, and the end of its stream. Others are checked as they are read. */
async function checked(store: FollowableStore, table: LmdbTable): Promise<FollowableStore> {
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
  // The checkpoint after it wakes readers: they have to see what it is of.
  newest.tell();
  // Readers that were killed would otherwise hold their snapshots for ever.
  root.readerCheck();
  root.resetReadTxn();
  return root.useReadTransaction();
}

async function withRoot<T>(
  folder: string,
  { readOnly, mapBytes = MAP_BYTES }: OpenOptions & { readonly readOnly: boolean },
  action: (root: RootDatabase) => Promise<T>,
): Promise<T> {
  let root: RootDatabase | undefined;
  try {
    root = open(folder, {
      readOnly,
      noSubdir: false,
      maxDbs: 3,
      mapSize: mapBytes,
      permissionsMode: 0o600,
      // Our flushes are our own: backgroundFlush.ts.
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
  const layout = root.get(LAYOUT_KEY)?.[0];
  if (layout === undefined) throw noLog(folder);
  if (layout > LAYOUT) {
    const summary = `the event log in ${folder} is of a newer version (${layout}, known is ${LAYOUT})`;
    const hint = "Use the version of the plugin that wrote it, or a newer one";
    throw new DriverError("STORE_FAILED", summary, { hint });
  }
  const table = <T extends keyof LmdbEnvironment>(name: T, options: object) => {
    const database: unknown = root.openDB(name, options);
    if (database === undefined) throw noLog(folder);
    return database as LmdbEnvironment[T];
  };
  return {
    records: table("records", { keyEncoder: positionKey, encoder: recordValue }),
    positions: table("positions", { keyEncoder: sequenceKey, encoder: positionValue }),
    heads: table("heads", { keyEncoding: "binary", encoder: headValue }),
    pruned: {
      get: () => {
        const bytes = root.get(PRUNED_KEY);
        return bytes && positionValue.decode(bytes);
      },
      put: (value) => {
        if (value === undefined) root.removeSync(PRUNED_KEY);
        else root.putSync(PRUNED_KEY, positionValue.encode(value));
      },
    },
    resetReadTxn: () => root.resetReadTxn(),
    transactionSync: (action, flags) => root.transactionSync(action, flags),
    close: () => root.close(),
  };
}

function currentBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

function noLog(folder: string): DriverError {
  return new DriverError("STORE_FAILED", `there is no event log in ${folder}`, {
    hint: "The plugin makes it when it first starts",
  });
}
