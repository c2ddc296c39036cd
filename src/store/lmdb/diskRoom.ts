/**
 * Keeps LMDB away from a full disk. It reports one, but badly: a new log that
 * finds no room takes the process down, and so may the text of a failed write,
 * which is longer than the memory for it once the file has some gigabytes.
 */
import { statfsSync } from "node:fs";
import { DriverError } from "../../errors.ts";

/** What is kept free: many times what a transaction takes besides its events. */
const LEAST_BYTES = 16 << 20;

/**
 * Takes 2 µs.
 * @param folder the event log's
 * @param bytes that are about to be written
 * @throws DriverError `STORE_FAILED` where its file system has no room for them, or next to none afterwards
 */
export function requireRoom(folder: string, bytes: number): void {
  // What is free for root: the log is root's. Some file systems do not know: they have no blocks at all.
  const { blocks, bfree, bsize } = statfsSync(folder);
  const free = bfree * bsize;
  if (blocks === 0 || free >= LEAST_BYTES + bytes) return;
  const summary = `the file system of the event log is full: ${free} bytes are left, ${LEAST_BYTES} are kept free`;
  throw new DriverError("STORE_FAILED", summary, {
    failed: { call: "commit", path: folder, errno: "ENOSPC" },
    hint: "Make room on the file system of state_dir",
    recoverable: true,
  });
}
