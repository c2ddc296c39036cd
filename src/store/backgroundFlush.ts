/**
 * Brings commits to the disk behind the back of those who made them: one flush
 * at a time, on a thread of libuv's pool, each followed by a checkpoint
 * (checkpoint.ts tells why). Nothing waits for it but who asks for `flushed`.
 */
import { fstatSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { DriverError } from "../errors.ts";
import { CheckpointFile } from "./checkpoint.ts";
import { logFiles, readMetaPages } from "./lmdbFile.ts";

/** A task's start makes a handful of commits within some milliseconds: one flush takes them all. */
const DELAY_MS = 20;
/** After a flush that the disk refused. */
const RETRY_MS = 1000;

/** A snapshot of the database that is kept from being overwritten. */
export interface Pin {
  done(): void;
}

export class BackgroundFlush {
  readonly #folder: string;
  readonly #bootId: string;
  readonly #pin: () => Pin;
  readonly #data: FileHandle;
  readonly #checkpoints: CheckpointFile;
  /** The snapshot that the newest checkpoint describes. */
  #pinned: Pin | undefined;
  #committed = 0;
  #flushed = 0;
  #flushing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(
    folder: string,
    bootId: string,
    pin: () => Pin,
    data: FileHandle,
    checkpoints: CheckpointFile,
  ) {
    this.#folder = folder;
    this.#bootId = bootId;
    this.#pin = pin;
    this.#data = data;
    this.#checkpoints = checkpoints;
  }

  /**
   * @param pin pins the newest snapshot, in the same turn
   * @param checkpointed whether that snapshot is the one of the newest checkpoint; otherwise it is flushed first
   */
  static async open(
    folder: string,
    bootId: string,
    pin: () => Pin,
    checkpointed: boolean,
  ): Promise<BackgroundFlush> {
    const { data: dataPath, checkpoint } = logFiles(folder);
    const data = await open(dataPath, "r");
    const flush = new BackgroundFlush(folder, bootId, pin, data, await CheckpointFile.open(checkpoint));
    if (checkpointed) flush.#pinned = pin();
    else await flush.#flush();
    return flush;
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

  async close(): Promise<void> {
    try {
      await this.flushed();
    } finally {
      clearTimeout(this.#timer);
      this.#pinned?.done();
      await this.#data.close();
      await this.#checkpoints.close();
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
    // These four belong together: no commit can come between them.
    const target = this.#committed;
    const metaPages = readMetaPages(this.#data.fd, logFiles(this.#folder).data);
    const dataSize = fstatSync(this.#data.fd).size;
    const pin = this.#pin();
    try {
      await this.#data.datasync();
      await this.#checkpoints.write({ bootId: this.#bootId, dataSize, metaPages });
    } catch (thrown) {
      pin.done();
      throw thrown;
    }
    this.#pinned?.done();
    this.#pinned = pin;
    this.#flushed = target;
  }
}
