/**
 * The files of one run, in a folder that only root can access. So the task can neither forge its exit status
 * nor pretend to have ended.
 *
 * Only the run's init holds the alive FIFO open for writing, so end of file on the FIFO means that init has
 * exited. Init exits last: by then it has recorded the task's status and reaped all processes in its pid
 * namespace. This is also true of runs that an earlier plugin started.
 */

import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { Socket } from "node:net";
import { dirname } from "node:path";
import { DriverError, errnoOf, hasErrno } from "../../base/errors.ts";
import { type ExitStatus, exitStatusOf } from "../../base/taskEnd.ts";
import { processesIn } from "../cgroup/cgroup.ts";
import { delegatedCgroupsOf } from "../cgroup/delegatedCgroups.ts";
import { mkfifo } from "../kernel/libc.ts";
import { LOG_RECORD_BYTES } from "../logs/logger.ts";
import { kept, OPENED_ALIVE, parseIdentity, statusFileLayout } from "../plan/plan.ts";
import { isSameProcess, type ProcessIdentity, processIdentity } from "../processes/processIdentity.ts";

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
  /** The file in which the run's logger records what it does (`../logs/logger.ts`). */
  readonly logRecord: string;
  /** FIFO that the logger holds open for writing until it ends. */
  readonly loggerAlive: string;
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
    logRecord: `${folder}/log`,
    loggerAlive: `${folder}/logger`,
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
 * Creates the folder of a new run, with its FIFOs. An existing folder is replaced: it is from a start
 * that was never stored, so its init was never released.
 * @throws DriverError `STATE_DIR_UNUSABLE`
 */
export function makeRunFiles(folder: string): RunFiles {
  const files = runFiles(folder);
  unremoved.delete(folder);
  try {
    if (takeSpare(folder)) return files;
    using undo = new DisposableStack();
    undo.defer(() => removeRunFiles(folder));
    makeFolder(folder);
    mkfifo(files.alive, 0o600);
    mkfifo(files.loggerAlive, 0o600);
    undo.move();
    return files;
  } catch (thrown) {
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", "the folder of the task's run cannot be created");
  }
}

/** Folders that could not be removed, for example for lack of descriptors. */
const unremoved = new Set<string>();

/**
 * Removes the folder of a run that is over, or keeps it for a later run. The calls are synchronous: the
 * folder has a few small files, and libuv's threads would cost more. If a removal fails, the next removal of
 * any folder repeats it.
 */
export function removeRunFiles(folder: string): void {
  unremoved.add(folder);
  const failures: unknown[] = [];
  for (const each of unremoved) {
    try {
      if (!becomesSpare(each)) rmSync(each, { recursive: true, force: true });
      unremoved.delete(each);
    } catch (thrown) {
      failures.push(thrown);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** Removes the spare folders. Those of a plugin that was killed or refused, the next plugin removes. */
export function removeSpareFolders(): void {
  const all = [...spares.splice(0), ...unremoved];
  unremoved.clear();
  for (const folder of all) {
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // Whoever closes the state folder has more to close.
    }
  }
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
    const names = readdirSync(folder);
    if (names.some((name) => !reusable.has(name))) return false;
    const files = runFiles(folder);
    // An init that is still alive, such as that of a lost task, would record its end in the next run's file.
    if (!hasNoWriter(files.alive) || !hasNoWriter(files.loggerAlive)) return false;
    overwrite(files.status, nothingRecorded);
    if (names.includes("log")) overwrite(files.logRecord, nothingLogged);
    const spare = `${dirname(folder)}/spare-${++spareNumber}`;
    renameSync(folder, spare);
    spares.push(spare);
    return true;
  } catch {
    // The folder was removed, for example, or has no status file.
    return false;
  }
}

function overwrite(path: string, content: Uint8Array): void {
  const file = openSync(path, constants.O_WRONLY);
  try {
    writeSync(file, content, 0, content.length, 0);
  } finally {
    closeSync(file);
  }
}

const reusable = new Set(["status", "alive", "log", "logger"]);

/** The content of a logger's record before its state is in it. */
const nothingLogged = Buffer.alloc(LOG_RECORD_BYTES);

/** The content of a status file before anything is recorded. */
const nothingRecorded = Buffer.alloc(statusFileLayout.heldBytes);
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

/** How a task ended, in the record of its init. */
export interface RecordedStatus extends ExitStatus {
  /** Whether processes of the task still ran when its main process had ended. Init then killed them. */
  readonly leftProcesses: boolean;
}

/**
 * Reads how the task ended, as init recorded it.
 * @returns undefined if init recorded nothing: the task still runs, or init was killed
 * @throws DriverError `KERNEL_CALL_FAILED` if the file exists and cannot be read
 */
export function readExitStatus(statusFile: string): RecordedStatus | undefined {
  const { status, statusBytes, noStatus, left, leftBytes } = statusFileLayout;
  const content = readStatusFile(statusFile);
  // Init opens the file before it writes that there is no status yet.
  if (content === undefined || content.length < statusBytes) return undefined;
  if (content.subarray(0, statusBytes).equals(noStatus)) return undefined;
  const leftProcesses = content.subarray(left, left + leftBytes).some((byte) => byte !== 0);
  return { ...exitStatusOf(content.readInt32LE(status), statSync(statusFile).mtimeMs), leftProcesses };
}

/**
 * Reads the task's identity, which its process recorded before it executed the command.
 * @returns undefined if there was no task, because its process was never released
 * @throws DriverError `KERNEL_CALL_FAILED` if the file exists and cannot be read
 */
export function readRecordedTask(statusFile: string): ProcessIdentity | undefined {
  const content = readStatusFile(statusFile);
  const isReleased = content !== undefined && content.length <= statusFileLayout.releasedBytes;
  return isReleased ? parseIdentity(content.subarray(statusFileLayout.task)) : undefined;
}

/**
 * Whether a run's task was released. A task's process that is held exits once its plugin is gone, and init
 * records that exit, too.
 * @throws DriverError `KERNEL_CALL_FAILED` if the file exists and cannot be read
 */
export function wasReleased(statusFile: string): boolean {
  const content = readStatusFile(statusFile);
  return content !== undefined && content.length <= statusFileLayout.releasedBytes;
}

function readStatusFile(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "the record of a run cannot be read");
  }
}

export interface ExitWatch {
  /** Resolves once init has exited. Never rejects. Stays pending for ever after {@link ExitWatch.cancel}. */
  readonly ended: Promise<void>;
  /** Stops watching and closes the FIFO. Does nothing after init has exited. */
  cancel(): void;
}

/**
 * Watches for the exit of a run's init. Call this only after the launch has succeeded: a FIFO that init has
 * not opened yet looks like a FIFO that init has closed. A watch costs a descriptor in the event loop's epoll
 * set, but no thread and no timer.
 * @param init the run's init; if the FIFO's name was removed, the FIFO is reopened through this process
 * @throws DriverError `KERNEL_CALL_FAILED` if the FIFO cannot be opened
 */
export function watchExit(aliveFifo: string, init?: ProcessIdentity): ExitWatch {
  const descriptor = openFifo(aliveFifo, init);
  // poll(2) reports only a hang-up that happens after the open. A read detects an earlier hang-up.
  if (isAtEnd(descriptor)) {
    closeSync(descriptor);
    return { ended: Promise.resolve(), cancel: () => {} };
  }
  const socket = new Socket({ fd: descriptor, readable: true, writable: false });
  const ended = new Promise<void>((resolve) => socket.once("end", resolve));
  // A failed read says nothing about init, so the watch stays pending, as after a cancel.
  socket.on("error", () => socket.destroy());
  socket.resume();
  return { ended, cancel: () => socket.destroy() };
}

/** Whether nobody has the FIFO open for writing: the run's init has exited, or never opened it. */
export function hasNoWriter(aliveFifo: string): boolean {
  try {
    const descriptor = openFifo(aliveFifo, undefined);
    try {
      return isAtEnd(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (thrown) {
    if (hasErrno(thrown, "ENOENT")) return true;
    throw thrown;
  }
}

/**
 * Finds a run's init without knowing its pid: the process in the run's cgroup, or in the one of init below it, that has
 * the run's alive FIFO open, even if the FIFO's name was removed.
 * @param cgroup the task's
 * @returns undefined if there is none
 */
export function findInit(cgroup: string, aliveFifo: string): ProcessIdentity | undefined {
  // proc_pid_fd(5) marks a file whose name was removed.
  const names = [aliveFifo, `${aliveFifo} (deleted)`];
  const hasOpen = (pid: number, number: number) => names.includes(openFile(pid, number) ?? "");
  const pid = initsIn(cgroup, dirname(aliveFifo)).find(
    (each) => hasOpen(each, OPENED_ALIVE) || hasOpen(each, kept.alive),
  );
  return pid === undefined ? undefined : processIdentity(pid);
}

/** Pids of the processes among which a run's init is. */
export function initsIn(cgroup: string, runFolder: string): number[] {
  return [...processesIn(cgroup), ...processesIn(delegatedCgroupsOf(cgroup, runFolder).init)];
}

/** Path of a process's open file; undefined if the process has exited, or has no such descriptor. */
function openFile(pid: number, number: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${number}`);
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
    return undefined;
  }
}

const readFlags = constants.O_RDONLY | constants.O_NONBLOCK;

function openFifo(path: string, init: ProcessIdentity | undefined): number {
  try {
    return openSync(path, readFlags | constants.O_NOFOLLOW);
  } catch (thrown) {
    const reopened = init && errnoOf(thrown) === "ENOENT" ? reopenFrom(init) : undefined;
    if (reopened !== undefined) return reopened;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "the end of the task cannot be watched");
  }
}

/** Reopens init's FIFO for reading: proc_pid_fd(5). */
function reopenFrom(init: ProcessIdentity): number | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(`/proc/${init.pid}/fd/${kept.alive}`, readFlags);
    if (fstatSync(descriptor).isFIFO() && isSameProcess(init)) return descriptor;
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
  }
  if (descriptor !== undefined) closeSync(descriptor);
  return undefined;
}

function isAtEnd(descriptor: number): boolean {
  try {
    return readSync(descriptor, new Uint8Array(1)) === 0;
  } catch (thrown) {
    if (errnoOf(thrown) === "EAGAIN") return false;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "the end of the task cannot be watched");
  }
}
