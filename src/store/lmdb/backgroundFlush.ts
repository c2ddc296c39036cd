/**
 * Brings commits to the disk behind the back of those who made them: one flush
 * at a time, on a thread of libuv's pool, each followed by a checkpoint
 * (checkpoint.ts tells why). Nothing waits for it but who asks for `flushed`.
 */
import { closeSync, fdatasync, fstatSync, openSync } from "node:fs";
import { promisify } from "node:util";
import { DriverError } from "../../errors.ts";
import type { CheckpointFile } from "../checkpoint.ts";
import { readMetaPages } from "./lmdbFile.ts";

/**
 * A task's start makes a handful of commits within some milliseconds: one flush takes them all.
 * Commits wait for a flush that the disk is busy with, so it should not fall into the next start.
 */
const DELAY_MS = 100;
/** After a flush that the disk refused. */
const RETRY_MS = 1000;

const datasync = promisify(fdatasync);

/** A snapshot of the database that is kept from being overwritten. */
export interface Pin {
  done(): void;
}

/** What is flushed. */
export interface FlushedLog {
  readonly dataPath: string;
  /** This run of the machine. */
  readonly bootId: string;
  /** Is closed with the flush. */
  readonly checkpoints: CheckpointFile;
  /** Pins the newest snapshot, in the same turn of the event loop. */
  pin(): Pin;
}

export class BackgroundFlush {
  readonly #log: FlushedLog;
  readonly #data: number;
  /** The snapshot that the newest checkpoint describes. */
  #pinned: Pin | undefined;
  #committed = 0;
  #flushed = 0;
  #flushing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(log: FlushedLog, data: number) {
    this.#log = log;
    this.#data = data;
  }

  /**
   * Returns once there is a checkpoint of the newest snapshot.
   * @param checkpointed whether there is one already
   */
  static async open(log: FlushedLog, checkpointed: boolean): Promise<BackgroundFlush> {
    const data = openSync(log.dataPath, "r");
    try {
      const flush = new BackgroundFlush(log, data);
      if (checkpointed) flush.#pinned = log.pin();
      else await flush.#flush();
      return flush;
    } catch (thrown) {
      closeSync(data);
      throw thrown;
    }
  }

  /** Tells of a commit. */
  committed(): void {
    this.#committed += 1;
    if (this.#flushing === undefined) this.#flushIn(DELAY_MS);
  }

  /**
   * Resolves once every commit told so far is on the disk.
   * @throws DriverError `STORE_FAILED` where a flush failed
   */
  async flushed(): Promise<void> {
    const target = this.#committed;
    while (this.#flushed < target) await this.#flush();
  }

  /** Flushes a last time. */
  async close(): Promise<void> {
    try {
      await this.flushed();
      this.#log.checkpoints.markInUse(false);
    } finally {
      clearTimeout(this.#timer);
      this.#pinned?.done();
      closeSync(this.#data);
      this.#log.checkpoints.close();
    }
  }

  #flushIn(ms: number): void {
    this.#timer ??= setTimeout(() => void this.#flush().catch(() => undefined), ms).unref();
  }

  #flush(): Promise<void> {
    this.#flushing ??= this.#flushOnce();
    return this.#flushing;
  }

  async #flushOnce(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let pause = RETRY_MS;
    try {
      await this.#checkpoint();
      pause = DELAY_MS;
    } catch (thrown) {
      throw DriverError.from(thrown, "STORE_FAILED", "the event log cannot be brought to the disk");
    } finally {
      this.#flushing = undefined;
      if (this.#flushed < this.#committed) this.#flushIn(pause);
    }
  }

  async #checkpoint(): Promise<void> {
    const { dataPath, bootId, checkpoints } = this.#log;
    // These four belong together: no commit can come between them.
    const target = this.#committed;
    const metaPages = readMetaPages(this.#data, dataPath);
    const dataSize = fstatSync(this.#data).size;
    const pin = this.#log.pin();
    try {
      await datasync(this.#data);
      await checkpoints.write({ bootId, dataSize, metaPages });
    } catch (thrown) {
      pin.done();
      throw thrown;
    }
    this.#pinned?.done();
    this.#pinned = pin;
    this.#flushed = target;
  }
}
