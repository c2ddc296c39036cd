/** The reading side of a task's log pipes: what Nomad's log collector is to a client. */
import { closeSync, constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { mkfifo } from "../../effects/kernel/libc.ts";

/** Where the Nomad client has a task's log pipe. */
export function logPipePath(logs: string, task: string, stream: "stdout" | "stderr"): string {
  return join(logs, `.${task}.${stream}.fifo`);
}

/**
 * Makes the FIFO and opens it, so that the driver finds a reader.
 * @returns what the task writes; it ends when everybody has closed the other side
 */
export function openLogReader(path: string): Socket {
  mkfifo(path, 0o600);
  // Non-blocking: there is no writer yet, and the kernel reports no end before one has come and gone.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return new Socket({ fd: descriptor, readable: true, writable: false });
  } catch (thrown) {
    closeSync(descriptor);
    throw thrown;
  }
}
