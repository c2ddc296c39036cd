/**
 * A mark that says whether the log's writer is at work in the database, and what the database's file was like
 * after the last commit. It outlives the writer. It tells the next writer whether its predecessor was killed at
 * work, perhaps by a damaged page, and whether somebody else has written to the file since. If so, or if the
 * mark is missing, the next writer checks the pages (pageCheck.ts).
 *
 * The mark is a file in /run: a boot resets it, and no disk delays the write of its byte, which takes a
 * microsecond. In the log's own folder, each write would also wake everybody who follows the log.
 */
import { closeSync, constants, openSync, readSync, rmSync, statSync, writeSync } from "node:fs";

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
const WORKING = Buffer.from("w");
const RESTING = Buffer.from("r");
/** More bytes than the text of a file's version has. */
const VERSION_BYTES = 80;

export class WorkMark {
  /**
   * Whether an earlier writer of this boot died while it was idle, and nobody has changed the data since.
   * False if that is not known.
   */
  readonly leftResting: boolean;
  readonly #path: string;
  readonly #data: string;
  #descriptor: number | undefined;

  private constructor(path: string, data: string) {
    this.#path = path;
    this.#data = data;
    const mark = Buffer.alloc(1 + VERSION_BYTES);
    try {
      this.#descriptor = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
      readSync(this.#descriptor, mark, 0, mark.length, 0);
    } catch {
      // Without a mark, every writer that was killed counts as one that worked.
      this.#giveUp();
    }
    this.leftResting =
      mark.subarray(0, 1).equals(RESTING) && mark.toString("latin1", 1) === this.#dataVersion();
  }

  /**
   * @param folder the log's, which names the mark. So a log that is renamed keeps its mark.
   * @param data the path of its data
   */
  static open(folder: string, data: string): WorkMark {
    const { dev, ino } = statSync(folder, { bigint: true });
    return new WorkMark(`/run/nomad-driver-exec2.log-${dev}-${ino}`, data);
  }

  /** Marks the writer as working until the action has ended. */
  during<T>(action: () => T): T {
    this.begin();
    try {
      return action();
    } finally {
      this.end();
    }
  }

  begin(): void {
    this.#write(WORKING, 0);
  }

  end(): void {
    this.#write(RESTING, 0);
  }

  /** To be called after each commit. */
  committed(): void {
    this.#write(Buffer.from(this.#dataVersion(), "latin1"), 1);
  }

  /** Removes the mark of a log that was closed. */
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
