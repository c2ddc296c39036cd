/** The environment of a running task: what its main process was executed with, proc_pid_environ(5). */
import { closeSync, openSync, readSync } from "node:fs";
import { DriverError } from "../../errors.ts";
import { isSameProcess, type ProcessIdentity } from "../processes/processIdentity.ts";

/** More than execve(2) takes of arguments and environment, which is three quarters of 8 MiB; a read may be short. */
const maxChunks = 64;
const chunkBytes = 256 * 1024;

/**
 * Read when it is needed and kept nowhere: its values are secrets. A program that
 * has written over its environment, as servers do to show a title in `ps`, leaves
 * of it what it leaves. One can also say that its environment is any part of its
 * memory (`PR_SET_MM` of prctl(2)): what execve(2) would not have taken is refused.
 * @param task the main process
 * @throws DriverError `TASK_NOT_RUNNING` where the process is gone
 * @throws DriverError `KERNEL_CALL_FAILED` where its environment cannot be read, or is larger than any can be
 */
export function readTaskEnviron(task: ProcessIdentity): Record<string, string> {
  const chunks: Buffer[] = [];
  try {
    using opened = new DisposableStack();
    const descriptor = opened.adopt(openSync(`/proc/${task.pid}/environ`, "r"), closeSync);
    // The descriptor is of one process for good: it is the task's where that is there after the open.
    if (!isSameProcess(task)) throw new DriverError("TASK_NOT_RUNNING", "the task has ended");
    for (let read = -1; read !== 0 && chunks.length <= maxChunks; ) {
      const chunk = Buffer.allocUnsafe(chunkBytes);
      read = readSync(descriptor, chunk);
      chunks.push(chunk.subarray(0, read));
    }
  } catch (thrown) {
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "the task's environment cannot be read");
  }
  if (chunks.length <= maxChunks) return parseEnviron(Buffer.concat(chunks).toString());
  throw new DriverError("KERNEL_CALL_FAILED", "the task's environment is larger than any can be", {
    hint: "The task's program has changed what the kernel tells of it; restart the task",
  });
}

/** Takes `NAME=value` strings apart that end with NULs; others are left out. Pure. */
export function parseEnviron(text: string): Record<string, string> {
  const entries = text.split("\0").flatMap((entry): [string, string][] => {
    const sign = entry.indexOf("=");
    return sign > 0 ? [[entry.slice(0, sign), entry.slice(sign + 1)]] : [];
  });
  return Object.fromEntries(entries);
}
