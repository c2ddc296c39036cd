/** Reads a task's log pipes, as Nomad's log collector does for a client. */
import { closeSync, constants, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { mkfifo } from "../../effects/kernel/libc.ts";

/** Path of a task's log pipe, as on a Nomad client. */
export function logPipePath(logs: string, task: string, stream: "stdout" | "stderr"): string {
  return join(logs, `.${task}.${stream}.fifo`);
}

/**
 * Makes the FIFO anew and opens it, so that the driver finds a reader.
 * @returns the task's output; ends when all writers have closed the FIFO
 */
export function openLogReader(path: string): Socket {
  // After a restart, the FIFO of the previous run still exists and belongs to the task's user.
  rmSync(path, { force: true });
  mkfifo(path, 0o600);
  // Non-blocking, because there is no writer yet. The kernel reports the end of file only after a first
  // writer has closed the FIFO.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    return new Socket({ fd: descriptor, readable: true, writable: false });
  } catch (thrown) {
    closeSync(descriptor);
    throw thrown;
  }
}
