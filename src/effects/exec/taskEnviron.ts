/** The environment with which a running task's main process was executed, proc_pid_environ(5). */
import { closeSync, openSync, readSync } from "node:fs";
import { DriverError } from "../../base/errors.ts";
import { isSameProcess, type ProcessIdentity } from "../processes/processIdentity.ts";

/**
 * Maximum number of reads. Full reads would return more than the 6 MiB of arguments and environment that
 * execve(2) accepts, but a read may be short.
 */
const maxChunks = 64;
const chunkBytes = 256 * 1024;

/**
 * The environment is read on demand and never stored, because its values are secrets. A program may have
 * overwritten its environment, as servers do to show a title in `ps`. Then the result holds only the
 * variables that are left. A program can also declare any part of its memory to be its environment
 * (`PR_SET_MM` of prctl(2)). So an environment larger than execve(2) accepts is refused.
 * @param task the main process
 * @throws DriverError `TASK_NOT_RUNNING` if the process has exited
 * @throws DriverError `KERNEL_CALL_FAILED` if its environment cannot be read, or is too large
 */
export function readTaskEnviron(task: ProcessIdentity): Record<string, string> {
  const chunks: Buffer[] = [];
  try {
    using opened = new DisposableStack();
    const descriptor = opened.adopt(openSync(`/proc/${task.pid}/environ`, "r"), closeSync);
    // The descriptor belongs to one process. If the task is still alive after the open, that process is the
    // task.
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
  throw new DriverError("KERNEL_CALL_FAILED", "the task's environment is larger than execve(2) allows", {
    hint: "The task's program has replaced its environment (PR_SET_MM of prctl(2)); restart the task",
  });
}

/** Parses `NAME=value` strings that end with NULs. Skips other strings. Pure. */
export function parseEnviron(text: string): Record<string, string> {
  const entries = text.split("\0").flatMap((entry): [string, string][] => {
    const sign = entry.indexOf("=");
    return sign > 0 ? [[entry.slice(0, sign), entry.slice(sign + 1)]] : [];
  });
  return Object.fromEntries(entries);
}
