/**
 * Flushes commits to disk in the background: one flush at a time, on a thread of libuv's pool. A checkpoint
 * follows each flush (checkpoint.ts says why). Only callers of `flushed` wait for a flush.
 */
import { closeSync, fdatasync, fstatSync, openSync } from "node:fs";
import { promisify } from "node:util";
import { DriverError } from "../../base/errors.ts";
import type { CheckpointFile } from "./checkpoint.ts";
import { readMetaPages } from "./lmdbFile.ts";

/**
 * A task's start makes a few commits within milliseconds. The delay lets one flush cover them all. It also
 * keeps the flush from overlapping with the next commits, which would wait for the disk.
 */
const DELAY_MS = 100;
/** Delay after a failed flush. */
const RETRY_MS = 1000;

const datasync = promisify(fdatasync);

/** Keeps a snapshot of the database from being overwritten. */
export interface Pin {
  done(): void;
}

/** The log to flush. */
export interface FlushedLog {
  readonly dataPath: string;
  /** The current boot. */
  readonly bootId: string;
  /** Closed together with {@link BackgroundFlush}. */
  readonly checkpoints: CheckpointFile;
  /** Pins the newest snapshot before it returns. */
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
   * Resolves once there is a checkpoint of the newest snapshot.
   * @param checkpointed whether that checkpoint exists already
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

  /** To be called after every commit. */
  committed(): void {
    this.#committed += 1;
    if (this.#flushing === undefined) this.#flushIn(DELAY_MS);
  }

  /**
   * Resolves once every commit reported so far is on disk.
   * @throws DriverError `STORE_FAILED` if a flush fails
   */
  async flushed(): Promise<void> {
    const target = this.#committed;
    while (this.#flushed < target) await this.#flush();
  }

  /** Flushes once more, then closes the files. */
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
      throw DriverError.from(thrown, "STORE_FAILED", "the event log cannot be flushed to the disk");
    } finally {
      this.#flushing = undefined;
      if (this.#flushed < this.#committed) this.#flushIn(pause);
    }
  }

  async #checkpoint(): Promise<void> {
    const { dataPath, bootId, checkpoints } = this.#log;
    // These four values must describe one commit. The calls are synchronous, so no commit can come in
    // between.
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
