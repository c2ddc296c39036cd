/**
 * The files of one run, in a folder that only root can access. So the task can neither forge its exit status
 * nor pretend to have ended.
 */
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { type ExitStatus, exitStatusOf } from "../../base/taskEnd.ts";
import { mkfifo } from "../kernel/libc.ts";
import { identityRecord, parseIdentity, statusFileLayout } from "../plan/runLayout.ts";
import type { ProcessIdentity } from "../processes/processStat.ts";
import { hasNoWriter } from "./aliveFifo.ts";

export interface RunFiles {
  /** The folder that holds the files. */
  readonly folder: string;
  /**
   * The file in which init records the task's raw wait status. For a run that another driver started, the
   * witness (witnessPlan.ts) records the kernel's answer instead.
   */
  readonly status: string;
  /** FIFO that init holds open for writing until it exits. */
  readonly alive: string;
  /** A generated resolv.conf, if the job requests one. */
  readonly resolvConf: string;
  /** A generated hosts file, if the allocation has a host name or the job lists hosts. */
  readonly hosts: string;
  /** The task's own users and groups, with `identity_files`. */
  readonly passwd: string;
  readonly group: string;
}

/** Paths of a run's files. */
export function runFiles(folder: string): RunFiles {
  return {
    folder,
    status: `${folder}/status`,
    alive: `${folder}/alive`,
    resolvConf: `${folder}/resolv.conf`,
    hosts: `${folder}/hosts`,
    passwd: `${folder}/passwd`,
    group: `${folder}/group`,
  };
}

/**
 * Folders of ended runs, emptied for reuse. On ext4, making and removing a folder with its files takes 150 to
 * 350 µs, and longer while the log is flushed. Renaming a folder takes 40 µs.
 */
const spares: string[] = [];
/** As many spare folders as there can be concurrent starts. */
const maxSpares = 16;
let spareNumber = 0;

/**
 * Creates the folder of a new run, with its alive FIFO. An existing folder is replaced: it is from a start
 * that was never stored, so its init was never released.
 * @throws DriverError `STATE_DIR_UNUSABLE`
 */
export function makeRunFiles(folder: string): RunFiles {
  const files = runFiles(folder);
  try {
    if (takeSpare(folder)) return files;
    makeFolder(folder);
    mkfifo(files.alive, 0o600);
    return files;
  } catch (thrown) {
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", "the folder of the task's run cannot be created");
  }
}

/**
 * Removes the folder of a run that is over, or keeps it for a later run. The calls are synchronous: the
 * folder has a few small files, and libuv's threads would cost more.
 */
export function removeRunFiles(folder: string): void {
  if (!becomesSpare(folder)) rmSync(folder, { recursive: true, force: true });
}

/** Removes the spare folders. If a plugin was killed, the next plugin does this. */
export function removeSpareFolders(): void {
  for (const spare of spares.splice(0)) rmSync(spare, { recursive: true, force: true });
}

/**
 * Renames a spare folder to a run's folder. Returns false if no folder is spare, or if the run's folder
 * exists already.
 */
function takeSpare(folder: string): boolean {
  const index = spares.findLastIndex((spare) => dirname(spare) === dirname(folder));
  const [spare] = index < 0 ? [] : spares.splice(index, 1);
  if (spare === undefined) return false;
  try {
    renameSync(spare, folder);
    return true;
  } catch {
    rmSync(spare, { recursive: true, force: true });
    return false;
  }
}

function becomesSpare(folder: string): boolean {
  if (spares.length === maxSpares) return false;
  try {
    // Any other file holds content for this task only.
    if (readdirSync(folder).some((name) => name !== "status" && name !== "alive")) return false;
    const files = runFiles(folder);
    // An init that is still alive, such as that of a lost task, would record its end in the next run's file.
    if (!hasNoWriter(files.alive)) return false;
    const status = openSync(files.status, constants.O_WRONLY);
    try {
      writeSync(status, nothingRecorded, 0, nothingRecorded.length, 0);
    } finally {
      closeSync(status);
    }
    const spare = `${dirname(folder)}/spare-${++spareNumber}`;
    renameSync(folder, spare);
    spares.push(spare);
    return true;
  } catch {
    // The folder was removed, for example, or has no status file.
    return false;
  }
}

/** The content of a status file before anything is recorded. */
const nothingRecorded = Buffer.alloc(statusFileLayout.task + identityRecord.bytes);
nothingRecorded.set(statusFileLayout.noStatus, statusFileLayout.status);

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (thrown) {
    if (errnoOf(thrown) !== "EEXIST") throw thrown;
    rmSync(folder, { recursive: true });
    mkdirSync(folder, { mode: 0o700 });
  }
}

/**
 * Reads how the task ended, as init recorded it.
 * @returns undefined if init recorded nothing: the task still runs, or init was killed
 * @throws DriverError `KERNEL_CALL_FAILED` if the file exists and cannot be read
 */
export function readExitStatus(statusFile: string): ExitStatus | undefined {
  const { status, statusBytes, noStatus } = statusFileLayout;
  const content = readStatusFile(statusFile);
  // Init opens the file before it writes that there is no status yet.
  if (content === undefined || content.length < statusBytes) return undefined;
  if (content.subarray(0, statusBytes).equals(noStatus)) return undefined;
  return exitStatusOf(content.readInt32LE(status), statSync(statusFile).mtimeMs);
}

/**
 * Reads the task's identity, which its process recorded before it executed the command.
 * @returns undefined if there was no task, because its init was never released
 * @throws DriverError `KERNEL_CALL_FAILED` if the file exists and cannot be read
 */
export function readRecordedTask(statusFile: string): ProcessIdentity | undefined {
  const content = readStatusFile(statusFile);
  return content && parseIdentity(content.subarray(statusFileLayout.task));
}

function readStatusFile(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "the record of a run cannot be read");
  }
}
