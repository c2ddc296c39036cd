/** Small files of /proc and /sys. Reading is synchronous: it takes the kernel only microseconds. */
import { readFileSync } from "node:fs";

/** The file's text without trailing white space; undefined if this kernel or host has no such file. */
export function readKernelFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trimEnd();
  } catch {
    return undefined;
  }
}

/** The kernel's random id of the current boot (random(4)). */
export function bootId(): string {
  knownBootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return knownBootId;
}

let knownBootId: string | undefined;
