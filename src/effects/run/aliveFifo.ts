/**
 * The alive FIFO of a run. Only the run's init holds the FIFO open for writing, so end of file on the FIFO
 * means that init has exited. Init exits last: by then it has recorded the task's status and reaped all
 * processes in its pid namespace. This is also true of runs that an earlier plugin started.
 */
import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from "node:fs";
import { Socket } from "node:net";
import { DriverError, errnoOf, hasErrno } from "../../base/errors.ts";
import { processesIn } from "../cgroup/cgroup.ts";
import { kept, OPENED_ALIVE } from "../plan/runLayout.ts";
import { isSameProcess, type ProcessIdentity, processIdentity } from "../processes/processIdentity.ts";

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
 * Finds a run's init without knowing its pid: the process in the run's cgroup that has the run's alive FIFO
 * open, even if the FIFO's name was removed.
 * @returns undefined if there is none
 */
export function findInit(cgroup: string, aliveFifo: string): ProcessIdentity | undefined {
  // proc_pid_fd(5) marks a file whose name was removed.
  const names = [aliveFifo, `${aliveFifo} (deleted)`];
  const hasOpen = (pid: number, number: number) => names.includes(openFile(pid, number) ?? "");
  const pid = processesIn(cgroup).find((each) => hasOpen(each, OPENED_ALIVE) || hasOpen(each, kept.alive));
  return pid === undefined ? undefined : processIdentity(pid);
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
