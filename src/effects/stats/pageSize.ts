/** Size of a memory page: 4 KiB on x86-64; on arm64 it depends on the kernel's build. */
import { readFileSync } from "node:fs";

/** In bytes. Read once. */
export function pageSize(): number {
  cached ??= readPageSize();
  return cached;
}

let cached: number | undefined;

/** The kernel passes it to every program: getauxval(3). The vector consists of pairs of words. */
function readPageSize(): number {
  const bytes = readFileSync("/proc/self/auxv");
  const words = new BigUint64Array(new Uint8Array(bytes).buffer);
  const index = words.findIndex((word, position) => position % 2 === 0 && word === AT_PAGESZ);
  return Number(words[index + 1] ?? 4096n);
}

/** `linux/auxvec.h` */
const AT_PAGESZ = 6n;
