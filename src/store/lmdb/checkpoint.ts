/**
 * Checkpoints, which restore the log after a power cut.
 *
 * A commit only reaches the page cache. That is enough to survive the death of
 * the process, and an append takes microseconds instead of a disk's milliseconds.
 * But a power cut may leave any mixture of old and new pages. So every flush
 * (backgroundFlush.ts) saves LMDB's two meta pages in a checkpoint, as they were
 * when the flush began. Meta pages describe a snapshot of the log. A read
 * transaction pins this snapshot until the next flush has saved newer meta pages,
 * so LMDB reuses none of the snapshot's pages. Writing the meta pages back
 * restores the log exactly as it was when that flush began.
 *
 * Writes alternate between two slots, so one of them is always whole.
 */
import { hash } from "node:crypto";
import { closeSync, constants, fdatasync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { Packr } from "msgpackr";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { tryFlock } from "../../effects/kernel/libc.ts";

export interface Checkpoint {
  /** Id of the boot in which it was made: `/proc/sys/kernel/random/boot_id`. */
  readonly bootId: string;
  /** Minimum length of the data file, in bytes. */
  readonly dataSize: number;
  /** The data file's first two pages. */
  readonly metaPages: Buffer;
}

interface Slot extends Checkpoint {
  /** Counts up from 1. The slot with the greatest number is the newest. */
  readonly number: number;
}

/** Enough for a slot with the largest page size, 64 KiB. */
const SLOT_BYTES = 160 << 10;
const HASH_BYTES = 32;
const BODY_AT = HASH_BYTES + 4;
/**
 * Offset of a byte after both slots. The byte is 1 while a writer has the log open, and stays 1 if the
 * writer dies without closing the log.
 */
const IN_USE_AT = 2 * SLOT_BYTES;
const datasync = promisify(fdatasync);
const messagePack = new Packr({ useRecords: false, copyBuffers: true });

/** The newest checkpoint in a file; undefined if the file has none or does not exist. */
export function readCheckpoint(path: string): Checkpoint | undefined {
  return newestSlot(path);
}

/** A file of checkpoints, open for writing. It is locked, so its owner is the log's only writer. */
export class CheckpointFile {
  /** Whether the previous writer ended without closing the log. */
  readonly leftOpen: boolean;
  #descriptor: number;
  #number: number;

  private constructor(descriptor: number, number: number) {
    const mark = Buffer.alloc(1);
    readSync(descriptor, mark, 0, 1, IN_USE_AT);
    this.leftOpen = mark[0] === 1;
    this.#descriptor = descriptor;
    this.#number = number;
  }

  /** @throws DriverError `STORE_FAILED` if another writer has the file open */
  static open(path: string): CheckpointFile {
    const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      if (!tryFlock(descriptor))
        throw new DriverError("STORE_FAILED", `the event log of ${path} has a writer already`);
      const number = newestSlot(path)?.number ?? 0;
      // Allocates both slots and the mark at once, so that no later write fails for lack of space.
      if (number === 0) writeFully(descriptor, Buffer.alloc(IN_USE_AT + 1), 0);
      return new CheckpointFile(descriptor, number);
    } catch (thrown) {
      closeSync(descriptor);
      throw thrown;
    }
  }

  /** Records whether the log is open, so that the next writer can tell if this process died. */
  markInUse(inUse: boolean): void {
    writeFully(this.#descriptor, Buffer.of(inUse ? 1 : 0), IN_USE_AT);
  }

  /** Resolves once the checkpoint is on disk; until then the previous one is the newest. */
  async write({ bootId, dataSize, metaPages }: Checkpoint): Promise<void> {
    const number = this.#number + 1;
    const body = messagePack.encode([number, bootId, dataSize, metaPages]);
    const bytes = Buffer.alloc(BODY_AT + body.length);
    bytes.write(hash("sha256", body, "hex"), "hex");
    bytes.writeUInt32BE(body.length, HASH_BYTES);
    bytes.set(body, BODY_AT);
    writeFully(this.#descriptor, bytes, (number % 2) * SLOT_BYTES);
    await datasync(this.#descriptor);
    this.#number = number;
  }

  /** May be repeated. */
  close(): void {
    if (this.#descriptor >= 0) closeSync(this.#descriptor);
    this.#descriptor = -1;
  }
}

/** Loops, because a write to a disk that fills up is cut short. Only the next write fails. */
function writeFully(descriptor: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, at + done);
  }
}

function newestSlot(path: string): Slot | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw DriverError.from(thrown, "STORE_FAILED", "the event log's checkpoints cannot be read");
  }
  const slots = [readSlot(bytes.subarray(0, SLOT_BYTES)), readSlot(bytes.subarray(SLOT_BYTES))];
  return slots.reduce((a, b) => ((b?.number ?? 0) > (a?.number ?? 0) ? b : a));
}

/** Undefined for a slot that was never written, or only in part. */
function readSlot(bytes: Buffer): Slot | undefined {
  if (bytes.length < BODY_AT) return undefined;
  const body = bytes.subarray(BODY_AT, BODY_AT + bytes.readUInt32BE(HASH_BYTES));
  if (hash("sha256", body, "hex") !== bytes.toString("hex", 0, HASH_BYTES)) return undefined;
  const [number, bootId, dataSize, metaPages] = messagePack.decode(body);
  return { number, bootId, dataSize, metaPages };
}
