/**
 * A mark that says whether the log's writer is at work in the database, and which version of the database's
 * file the last commit left. A writer that closes the log removes its mark, and a killed writer leaves it.
 *
 * After a kill, the next writer checks the pages (pageCheck.ts) in three cases: its predecessor was at work,
 * so a damaged page may have crashed it; somebody else has written to the file since; or the mark is missing.
 *
 * A damaged page may also corrupt memory, so that the process dies later, when it is idle. So no two writers
 * in a row trust the mark.
 *
 * The mark is a file in /run, which is kept in memory: a boot removes the mark, and writing it takes a
 * microsecond. In the log's own folder, each write would also wake everybody who follows the log.
 */
import { closeSync, constants, openSync, readSync, rmSync, statSync, writeSync } from "node:fs";

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
const WORKING = Buffer.from("w");
const IDLE = Buffer.from("i");
const CHECKED = Buffer.from("c");
const UNCHECKED = Buffer.from("u");
/** The mark's fields: whether the writer works, how it opened the log, and the version of the data file. */
const OPENED_AT = 1;
const VERSION_AT = 2;
/** The text of a version is padded to this length. */
const VERSION_BYTES = 80;

/** Path of a log's mark. @param folder the log's folder */
export function workMarkOf(folder: string): string {
  const { dev, ino } = statSync(folder, { bigint: true });
  return `/run/nomad-driver-exec2.log-${dev}-${ino}`;
}

export class WorkMark {
  /**
   * True if the log needs no check: its writer was killed in this boot while it was idle, that writer had not
   * trusted the mark itself, and nobody has changed the data since. False if any of this is unknown.
   */
  readonly isTrusted: boolean;
  readonly #path: string;
  readonly #data: string;
  #descriptor: number | undefined;

  private constructor(path: string, data: string) {
    this.#path = path;
    this.#data = data;
    const mark = Buffer.alloc(VERSION_AT + VERSION_BYTES);
    try {
      this.#descriptor = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
      readSync(this.#descriptor, mark, 0, mark.length, 0);
    } catch {
      // Without a mark, every killed writer counts as a writer that was at work.
      this.#giveUp();
    }
    this.isTrusted =
      mark.subarray(0, VERSION_AT).equals(Buffer.concat([IDLE, CHECKED])) &&
      mark.toString("latin1", VERSION_AT) === this.#dataVersion();
  }

  /**
   * @param folder the log's folder. Its inode names the mark, so a log that is renamed keeps its mark.
   * @param data path of the log's data file
   */
  static open(folder: string, data: string): WorkMark {
    return new WorkMark(workMarkOf(folder), data);
  }

  /**
   * Marks the writer as working until the log is open.
   * @param unchecked whether the writer opens the log without a check because the mark was trusted
   */
  opening(unchecked: boolean): void {
    this.#write(WORKING, 0);
    this.#write(unchecked ? UNCHECKED : CHECKED, OPENED_AT);
  }

  /** To be called once the log is open. */
  opened(): void {
    this.committed();
    this.#write(IDLE, 0);
  }

  /** Marks the writer as working until the action has ended. */
  during<T>(action: () => T): T {
    this.#write(WORKING, 0);
    try {
      return action();
    } finally {
      this.#write(IDLE, 0);
    }
  }

  /** To be called after each commit. */
  committed(): void {
    this.#write(Buffer.from(this.#dataVersion(), "latin1"), VERSION_AT);
  }

  /** To be called when the log is closed. */
  remove(): void {
    this.#giveUp();
  }

  /** Identifies a version of the file. Every write changes it, because nobody can set ctime: utimensat(2). */
  #dataVersion(): string {
    const file = statSync(this.#data, { throwIfNoEntry: false });
    return (file ? `${file.ino} ${file.size} ${file.ctimeMs}` : "").padEnd(VERSION_BYTES);
  }

  #write(bytes: Buffer, position: number): void {
    if (this.#descriptor === undefined) return;
    try {
      writeSync(this.#descriptor, bytes, 0, bytes.length, position);
    } catch {
      this.#giveUp();
    }
  }

  #giveUp(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    rmSync(this.#path, { force: true });
  }
}
