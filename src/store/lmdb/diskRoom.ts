/**
 * Keeps LMDB from running into a full disk, which it handles badly. Creating a
 * log without room crashes the process. A failed write may crash it too: with a
 * file of some gigabytes, the error's text is longer than its buffer.
 */
import { statfsSync } from "node:fs";
import { DriverError } from "../../errors.ts";
import { formatBytes } from "../../units/sizes.ts";

/** Space that is kept free: many times what a transaction needs besides its events. */
const RESERVED_BYTES = 16 << 20;

/**
 * Takes 2 µs.
 * @param folder the event log's folder
 * @param bytes number of bytes about to be written
 * @throws DriverError `STORE_FAILED` if writing them would use up the reserve
 */
export function requireRoom(folder: string, bytes: number): void {
  // Not `bavail`: root writes the log, and root may use all of `bfree`. Some file systems report no blocks at
  // all.
  const { blocks, bfree, bsize } = statfsSync(folder);
  const free = bfree * bsize;
  if (blocks === 0 || free >= RESERVED_BYTES + bytes) return;
  const summary = `the file system of the event log is full: ${formatBytes(free)} are left, ${formatBytes(RESERVED_BYTES)} are kept free`;
  throw new DriverError("STORE_FAILED", summary, {
    failed: { call: "commit", path: folder, errno: "ENOSPC" },
    hint: "Free space on the file system of state_dir",
    recoverable: true,
  });
}
