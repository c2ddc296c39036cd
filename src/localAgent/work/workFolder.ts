/**
 * The folder for all files of one `run`, with a record that names its owner. The run holds a lock (flock(2))
 * on the record. The kernel releases the lock, however the run ends.
 */
import {
  closeSync,
  constants,
  ftruncateSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DriverError } from "../../base/errors.ts";
import { parseJsonOrNothing } from "../../base/json.ts";
import { tryFlock } from "../../effects/kernel/libc.ts";
import {
  bootId,
  isSameProcess,
  livingStat,
  processIdentity,
} from "../../effects/processes/processIdentity.ts";
import type { ScopeOwner } from "../allocation/cgroupScope.ts";

const recordSchema = z.object({
  /** Pid of the process that made the folder. */
  pid: z.number().int(),
  /** Start time of that process, and the boot. Records of earlier versions do not have them. */
  startTicks: z.number().optional(),
  bootId: z.string().optional(),
  /** Time when the folder was made, in milliseconds since the epoch. */
  begunAt: z.number(),
  /** The job file, as the person named it. */
  job: z.string(),
  /** The state folder of the run's plugin; null until the plugin has one. */
  stateFolder: z.string().nullable(),
  /** Whether the folder stays after the run. */
  keep: z.boolean(),
});

export type RunRecord = Readonly<z.infer<typeof recordSchema>>;

/** A work folder that this process owns. */
export interface WorkFolder {
  readonly path: string;
  /** The run, as the marks of its tasks' cgroups name it. */
  readonly owner: ScopeOwner;
  /** Records the state folder of the run's plugin. */
  setStateFolder(path: string): void;
  /** Removes the folder, unless it is to be kept, and releases it. */
  close(): Promise<void>;
}

/** Work folders are below /var/tmp, because a task's own /tmp hides the host's. */
export const workParent = "/var/tmp";
export const workPrefix = "nomad-driver-exec2-";

/**
 * Makes a work folder. Tasks of any user can traverse it, unlike the state folder.
 * @param run the record's fields that are known at the beginning
 * @throws DriverError `RUN_FOLDER_UNUSABLE`
 */
export async function makeWorkFolder(
  run: Pick<RunRecord, "job" | "keep">,
  parent: string,
): Promise<WorkFolder> {
  const { pid, startTicks } = processIdentity(process.pid);
  let record: RunRecord = {
    ...run,
    pid,
    startTicks,
    bootId: bootId(),
    begunAt: Date.now(),
    stateFolder: null,
  };
  const { path, descriptor } = await makeFolder(parent, record);
  const { begunAt, job } = record;
  return {
    path,
    owner: { pid, begunAt, job, work: path },
    setStateFolder: (stateFolder) => {
      record = { ...record, stateFolder };
      writeRecord(descriptor, record);
    },
    close: async () => {
      if (!record.keep) await removeWorkFolder(path);
      closeSync(descriptor);
    },
  };
}

async function makeFolder(parent: string, record: RunRecord) {
  let path: string | undefined;
  try {
    // A minimal host may lack this folder.
    await mkdir(parent, { recursive: true });
    path = await mkdtemp(join(parent, workPrefix));
    await chmod(path, traverseOnly);
    return { path, descriptor: createRecord(path, record) };
  } catch (thrown) {
    if (path !== undefined) await remove(path);
    throw DriverError.from(thrown, "RUN_FOLDER_UNUSABLE", `the run's folder cannot be made in ${parent}`);
  }
}

/** A mode that lets others traverse a folder, but not list it. */
const traverseOnly = 0o711;

/**
 * Removes a work folder with all its files.
 * @throws the file system's error if a file in it cannot be removed
 */
export async function removeWorkFolder(path: string): Promise<void> {
  // Keeps all users but root out, because some of the inner folders are writable for any user.
  await chmod(path, 0o700);
  // The record is removed last: without the record, nobody would find the files that an interrupted removal
  // left.
  const names = await readdir(path);
  for (const name of names.filter((each) => each !== recordName)) await remove(join(path, name));
  await remove(path);
}

function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true });
}

/** The record of a work folder whose run has ended. This process owns the folder until `release`. */
export interface AbandonedWork {
  /** Undefined if the run was killed while it wrote the record. */
  readonly record: RunRecord | undefined;
  release(): void;
}

/**
 * Takes over a work folder whose run has ended.
 * @returns undefined if the run is still alive, if another process has taken the folder over, or if this
 *   program did not make the folder
 */
export function takeAbandonedWork(path: string): AbandonedWork | undefined {
  const descriptor = openRecord(path);
  if (descriptor === undefined) return undefined;
  if (!tryFlock(descriptor)) {
    closeSync(descriptor);
    return undefined;
  }
  const record = recordIn(() => readFileSync(descriptor, "utf8"));
  const release = () => closeSync(descriptor);
  if (record === undefined || !isRunning(record)) return { record, release };
  release();
  return undefined;
}

/**
 * The process of a run, if it is suspended (Ctrl-Z, SIGSTOP).
 * @returns its pid; undefined if it is not suspended, or its record cannot be read
 */
export function suspendedRun(work: string): number | undefined {
  const record = recordIn(() => readFileSync(recordPath(work), "utf8"));
  if (record === undefined || !isRunning(record)) return undefined;
  return livingStat(record.pid)?.state.toUpperCase() === "T" ? record.pid : undefined;
}

/** Undefined for a record that its run has not completed, or that cannot be read. */
function recordIn(read: () => string): RunRecord | undefined {
  try {
    return recordSchema.safeParse(parseJsonOrNothing(read())).data;
  } catch {
    return undefined;
  }
}

/** The lock of a living run is not seen through another file system, such as an overlay of /var/tmp. */
function isRunning({ pid, startTicks, bootId: boot }: RunRecord): boolean {
  return startTicks !== undefined && boot === bootId() && isSameProcess({ pid, startTicks });
}

/**
 * Opens a record. Undefined if another user made the folder, or can write to it: anybody can make such
 * folders in /var/tmp.
 */
function openRecord(path: string): number | undefined {
  try {
    const { uid, mode } = lstatSync(path);
    const isOwn = uid === process.geteuid?.() && (mode & (constants.S_IFMT | 0o022)) === constants.S_IFDIR;
    if (!isOwn) return undefined;
    return openSync(recordPath(path), constants.O_RDWR | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
}

/**
 * The record gets its name only once it is locked. Otherwise another process could conclude that the run has
 * ended.
 */
function createRecord(path: string, record: RunRecord): number {
  const unfinished = `${recordPath(path)}.new`;
  const descriptor = openSync(unfinished, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  tryFlock(descriptor);
  writeRecord(descriptor, record);
  renameSync(unfinished, recordPath(path));
  return descriptor;
}

function writeRecord(descriptor: number, record: RunRecord): void {
  const text = `${JSON.stringify(record)}\n`;
  ftruncateSync(descriptor, writeSync(descriptor, text, 0));
}

function recordPath(work: string): string {
  return join(work, recordName);
}

const recordName = "run.json";
