/** Small files of /proc and /sys. Reading is synchronous: it takes the kernel only microseconds. */
import { readFileSync } from "node:fs";

/** The file's text without the final newline; undefined if this kernel or host does not have it. */
export function readKernelFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trimEnd();
  } catch {
    return undefined;
  }
}
