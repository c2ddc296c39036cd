/** Small files of /proc and /sys. Reading is synchronous: it takes the kernel only microseconds. */
import { readFileSync } from "node:fs";
import { DriverError, isShortage } from "../../base/errors.ts";

/** The file's text without trailing white space; undefined if this kernel or host has no such file. */
export function readKernelFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trimEnd();
  } catch {
    return undefined;
  }
}

/**
 * As {@link readKernelFile}, for a file whose absence has consequences: a lack of descriptors or memory is not
 * taken for absence.
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trimEnd();
  } catch (thrown) {
    if (!isShortage(thrown)) return undefined;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "a file of the kernel cannot be read");
  }
}

/** The path of a process's cgroup in the hierarchy of cgroup v2; undefined if the process has ended. */
export function cgroupOf(process: number | "self"): string | undefined {
  return /^0::(.*)$/m.exec(readKernelFile(`/proc/${process}/cgroup`) ?? "")?.[1];
}

/** The kernel's random id of the current boot (random(4)). */
export function bootId(): string {
  knownBootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return knownBootId;
}

let knownBootId: string | undefined;
