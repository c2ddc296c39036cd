/** Small files that the kernel serves from memory (/proc, /sys): reading one takes microseconds, so it is synchronous. */
import { readFileSync } from "node:fs";

/** The file's text without the newline at its end; undefined where this kernel or host does not have it. */
export function readKernelFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trimEnd();
  } catch {
    return undefined;
  }
}
