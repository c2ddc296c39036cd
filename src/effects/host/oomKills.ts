/**
 * Which processes the kernel has killed for lack of memory, from its log: dev-kmsg of the kernel's ABI documents. A
 * cgroup counts such kills itself (`memory.events`), but not without a memory controller, or under cgroup v1.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { errnoOf } from "../../base/errors.ts";
import { type OomKill, readOomRecord } from "./oomRecord.ts";

/** No record is longer: `PRINTK_MESSAGE_MAX` of the kernel, 2 KiB, and earlier 8 KiB. */
const MAX_RECORD_BYTES = 8192;
/** More records than the log of any host has: 8 MiB of the shortest. */
const MAX_RECORDS = 200_000;
/** A record takes a microsecond or two. */
const RECORDS_IN_A_TURN = 500;

let last: { readonly readAt: number; readonly kills: readonly OomKill[] } | undefined;

/**
 * The kernel's kills since the boot, as far as its log still has them.
 * @param until the log is not read again if it was after this time, in milliseconds since the epoch: many tasks may
 *   end at once, and a long log takes milliseconds
 * @returns undefined if the log cannot be read
 */
export async function oomKills(until: number): Promise<readonly OomKill[] | undefined> {
  if (last !== undefined && last.readAt > until) return last.kills;
  const readAt = Date.now();
  try {
    using log = new DisposableStack();
    const descriptor = openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
    log.adopt(descriptor, closeSync);
    last = { readAt, kills: await killsIn(descriptor) };
    return last.kills;
  } catch {
    return undefined;
  }
}

async function killsIn(descriptor: number): Promise<OomKill[]> {
  const kills: OomKill[] = [];
  const bytes = Buffer.alloc(MAX_RECORD_BYTES);
  for (let count = 1; count <= MAX_RECORDS; count++) {
    if (count % RECORDS_IN_A_TURN === 0) await nextTurn();
    let length = 0;
    try {
      length = readSync(descriptor, bytes);
    } catch (thrown) {
      const errno = errnoOf(thrown);
      if (errno === "EAGAIN") break;
      // EPIPE: newer records have overwritten this one; the next read goes on after them.
      if (errno !== "EPIPE") throw thrown;
    }
    const kill = readOomRecord(bytes.toString("latin1", 0, length));
    if (kill !== undefined) kills.push(kill);
  }
  return kills;
}
