/**
 * What makes the log whole again after a power cut.
 *
 * Commits go to the page cache and no further: there they survive the death of
 * the process, and an append takes microseconds instead of a disk's milliseconds.
 * A power cut may then leave any mixture of old and new pages. So after every
 * flush (backgroundFlush.ts) LMDB's two meta pages, as they were when it began,
 * are kept here; and until the next ones are kept, the snapshot that they
 * describe is held by a read transaction, so that LMDB reuses none of its pages.
 * Put back, they give the log exactly as it was at that flush.
 *
 * Two slots are written in turn, so that one of them is always whole.
 */
import { hash } from "node:crypto";
import { closeSync, constants, fdatasync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { Packr } from "msgpackr";
import { tryFlock } from "../effects/kernel/libc.ts";
import { DriverError, errnoOf } from "../errors.ts";

export interface Checkpoint {
  /** Which run of the machine it was made in: `/proc/sys/kernel/random/boot_id`. */
  readonly bootId: string;
  /** Length that the data file had at least, in bytes. */
  readonly dataSize: number;
  /** The data file's first two pages. */
  readonly metaPages: Buffer;
}

interface Slot extends Checkpoint {
  /** Counts up from 1; the greatest is the newest. */
  readonly number: number;
}

/** More than a slot takes with the largest pages that there are (64 KiB). */
const SLOT_BYTES = 160 << 10;
const HASH_BYTES = 32;
const BODY_AT = HASH_BYTES + 4;
/** Behind both slots: 1 as long as a writer has the log open, or has died with it. */
const IN_USE_AT = 2 * SLOT_BYTES;
const datasync = promisify(fdatasync);
const messagePack = new Packr({ useRecords: false, copyBuffers: true });

/** The newest checkpoint of a file; undefined where it has none, or does not exist. */
export function readCheckpoint(path: string): Checkpoint | undefined {
  return newestSlot(path);
}

/** A file of checkpoints, open for writing. Whoever has it open is the log's only writer: it is locked. */
export class CheckpointFile {
  /** Whether the writer before this one has not closed the log. */
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

  /** @throws DriverError `STORE_FAILED` where another writer has it open */
  static open(path: string): CheckpointFile {
    const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      if (!tryFlock(descriptor))
        throw new DriverError("STORE_FAILED", `the event log of ${path} has a writer already`);
      const number = newestSlot(path)?.number ?? 0;
      // Room for both slots and the mark, so that none of them ever fails for want of it.
      if (number === 0) writeFully(descriptor, Buffer.alloc(IN_USE_AT + 1), 0);
      return new CheckpointFile(descriptor, number);
    } catch (thrown) {
      closeSync(descriptor);
      throw thrown;
    }
  }

  /** Tells whether the log is open, in case that this process dies. */
  markInUse(inUse: boolean): void {
    writeFully(this.#descriptor, Buffer.of(inUse ? 1 : 0), IN_USE_AT);
  }

  /** Resolves once the checkpoint is on the disk; until then the one before it is the newest. */
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

/** A disk that fills up takes a part first, and refuses only the rest. */
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

/** Undefined for a slot that was never written, or not to its end. */
function readSlot(bytes: Buffer): Slot | undefined {
  if (bytes.length < BODY_AT) return undefined;
  const body = bytes.subarray(BODY_AT, BODY_AT + bytes.readUInt32BE(HASH_BYTES));
  if (hash("sha256", body, "hex") !== bytes.toString("hex", 0, HASH_BYTES)) return undefined;
  const [number, bootId, dataSize, metaPages] = messagePack.decode(body);
  return { number, bootId, dataSize, metaPages };
}
