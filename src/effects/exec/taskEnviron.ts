/** The environment of a running task: what its main process was executed with, proc_pid_environ(5). */
import { readFileSync } from "node:fs";
import { DriverError } from "../../errors.ts";

/**
 * Read when it is needed and kept nowhere: its values are secrets. A program that
 * has written over its environment, as servers do to show a title in `ps`, leaves
 * of it what it leaves.
 * @throws DriverError `KERNEL_CALL_FAILED` where the process is gone
 */
export function readTaskEnviron(pid: number): Record<string, string> {
  try {
    return parseEnviron(readFileSync(`/proc/${pid}/environ`, "utf8"));
  } catch (thrown) {
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "the task's environment cannot be read");
  }
}

/** Takes `NAME=value` strings apart that end with NULs; others are left out. Pure. */
export function parseEnviron(text: string): Record<string, string> {
  const entries = text.split("\0").flatMap((entry): [string, string][] => {
    const sign = entry.indexOf("=");
    return sign > 0 ? [[entry.slice(0, sign), entry.slice(sign + 1)]] : [];
  });
  return Object.fromEntries(entries);
}
