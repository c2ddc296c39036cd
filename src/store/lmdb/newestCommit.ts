/**
 * The number of the newest commit, as LMDB's processes publish it to each other.
 *
 * A commit is in one of the data file's two meta pages. Its number is also in the lock file, where each
 * transaction looks up the snapshot that it begins with. Every process that opens the log with lmdb 3.5, even
 * a reader, reads the newest number from the meta pages. Then the process writes this number to the lock file
 * (`mdb_env_open2` of lmdb's mdb.c). A commit between this read and this write is hidden, and the next
 * transaction would overwrite the commit. Therefore the log's writer compares the two numbers, and corrects
 * the number in the lock file.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { DriverError } from "../../base/errors.ts";
import { logFiles } from "../folder/logFolders.ts";
import { readMetaPages } from "./lmdbFile.ts";

/** `struct MDB_txbody` of mdb.c, at the beginning of the lock file: magic, format, then the number. */
const PUBLISHED_AT = 8;
const MAGIC = 0xbeefc0de;
/** `mm_txnid` of `struct MDB_meta`, after the page's header. */
const META_NUMBER_AT = 152;
const NUMBER_BYTES = 8;

export class NewestCommit {
  readonly #lock: number;
  readonly #data: number;
  /** Where the second meta page begins. */
  readonly #pageSize: number;
  readonly #word = Buffer.alloc(NUMBER_BYTES);
  #newest: number;

  /**
   * @param folder of a log that LMDB has open
   * @throws DriverError `STORE_FAILED` if the files are not LMDB's
   */
  constructor(folder: string) {
    const { lock, data } = logFiles(folder);
    this.#lock = openSync(lock, "r+");
    this.#data = openSync(data, "r");
    this.#pageSize = readMetaPages(this.#data, data).length / 2;
    this.#newest = this.#newestInFile();
    readSync(this.#lock, this.#word, 0, NUMBER_BYTES, 0);
    if (this.#word.readUInt32LE(0) === MAGIC) return;
    throw new DriverError("STORE_FAILED", `the event log's lock file ${lock} is not LMDB's`);
  }

  /**
   * Runs an attempt, and repeats the attempt while another process has hidden the newest commit.
   * @param attempt calls {@link requireNewest} before it relies on anything that it has read
   */
  repeatUntilNewest<T>(attempt: () => T): T {
    for (;;) {
      try {
        return attempt();
      } catch (thrown) {
        if (!(thrown instanceof HiddenCommit)) throw thrown;
        this.publish();
      }
    }
  }

  /**
   * Throws if a transaction that has just begun may not see the newest commit. The transaction must not catch
   * the error, so that the error aborts it.
   */
  requireNewest(): void {
    if (!this.#isPublished()) throw new HiddenCommit();
  }

  /** To be called after each commit. Only the log's writer commits. */
  committed(): void {
    this.#newest = this.#newestInFile();
  }

  /** Corrects the number in the lock file if it is wrong. Only for the log's writer. */
  publish(): void {
    if (this.#isPublished()) return;
    this.#word.writeBigUInt64LE(BigInt(this.#newest));
    writeSync(this.#lock, this.#word, 0, NUMBER_BYTES, PUBLISHED_AT);
  }

  /**
   * To be called after LMDB has closed the log, because LMDB holds a lock on the lock file. Closing any
   * descriptor of a file drops all locks that this process has on the file: fcntl_locking(2).
   */
  close(): void {
    closeSync(this.#lock);
    closeSync(this.#data);
  }

  #isPublished(): boolean {
    return this.#numberAt(this.#lock, PUBLISHED_AT) === this.#newest;
  }

  #newestInFile(): number {
    const second = this.#pageSize + META_NUMBER_AT;
    return Math.max(this.#numberAt(this.#data, META_NUMBER_AT), this.#numberAt(this.#data, second));
  }

  #numberAt(descriptor: number, position: number): number {
    readSync(descriptor, this.#word, 0, NUMBER_BYTES, position);
    return Number(this.#word.readBigUInt64LE());
  }
}

class HiddenCommit extends Error {}
