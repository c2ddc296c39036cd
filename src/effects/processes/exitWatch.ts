/**
 * How the end of a task is noticed, the same way for one that this process
 * started and for one that it took over.
 *
 * The run's init holds the *alive* FIFO open for writing and nobody else does, so
 * end of file means that init is gone. Init ends last: before that it has
 * recorded the task's status and reaped everything in its pid namespace.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { Socket } from "node:net";
import { DriverError, errnoOf } from "../../errors.ts";
import { kept } from "../launch/steps/superviseSteps.ts";
import { isSameProcess, type ProcessIdentity } from "./processIdentity.ts";

export interface ExitWatch {
  /** Resolves once init has ended. Never rejects; stays pending for good after {@link ExitWatch.cancel}. */
  readonly ended: Promise<void>;
  /** Stops watching and closes the FIFO; harmless once it has ended. */
  cancel(): void;
}

/**
 * Watches for the end of a run's init. To be called once the launch has
 * succeeded, since a FIFO that nobody has opened yet looks like one whose writer has gone.
 * Costs a descriptor in the event loop's epoll set, no thread and no timer.
 * @param init the run's, which leads to the FIFO where somebody has removed its name
 * @throws DriverError `KERNEL_CALL_FAILED` where the FIFO cannot be opened
 */
export function watchExit(aliveFifo: string, init?: ProcessIdentity): ExitWatch {
  const descriptor = openFifo(aliveFifo, init);
  // poll(2) reports only hang-ups that happen after the open: one before it shows in a read.
  if (isAtEnd(descriptor)) {
    closeSync(descriptor);
    return { ended: Promise.resolve(), cancel: () => {} };
  }
  const socket = new Socket({ fd: descriptor, readable: true, writable: false });
  const ended = new Promise<void>((resolve) => socket.once("end", resolve));
  // A failing read tells nothing about init; the watch goes on being pending, as after a cancel.
  socket.on("error", () => socket.destroy());
  socket.resume();
  return { ended, cancel: () => socket.destroy() };
}

/** Whether nobody holds the FIFO: the run's init has ended, or has never come to open it. */
export function isUnheld(aliveFifo: string): boolean {
  try {
    const descriptor = openFifo(aliveFifo, undefined);
    try {
      return isAtEnd(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (thrown) {
    if (thrown instanceof DriverError && thrown.failed?.errno === "ENOENT") return true;
    throw thrown;
  }
}

const forReading = constants.O_RDONLY | constants.O_NONBLOCK;

function openFifo(path: string, init: ProcessIdentity | undefined): number {
  try {
    return openSync(path, forReading | constants.O_NOFOLLOW);
  } catch (thrown) {
    const held = init && errnoOf(thrown) === "ENOENT" ? openHeldBy(init) : undefined;
    if (held !== undefined) return held;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "the end of the task cannot be watched");
  }
}

/** Anew, and for reading: proc_pid_fd(5). */
function openHeldBy(init: ProcessIdentity): number | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(`/proc/${init.pid}/fd/${kept.alive}`, forReading);
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
