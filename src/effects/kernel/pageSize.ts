import { readFileSync } from "node:fs";

/** The kernel's page size in bytes. Read once. */
export function pageSize(): number {
  cached ??= readPageSize();
  return cached;
}

let cached: number | undefined;

/**
 * The kernel passes the page size to every program in the auxiliary vector, which consists of pairs of words:
 * getauxval(3).
 */
function readPageSize(): number {
  const bytes = readFileSync("/proc/self/auxv");
  const words = new BigUint64Array(new Uint8Array(bytes).buffer);
  const index = words.findIndex((word, position) => position % 2 === 0 && word === AT_PAGESZ);
  return Number(words[index + 1] ?? 4096n);
}

/** `linux/auxvec.h` */
const AT_PAGESZ = 6n;
