/**
 * A mark that says whether the log's writer is at work in the database. It outlives the writer. So the next
 * one can tell a writer that was killed at rest, which damages nothing and died of no damage, from one that may
 * have died of a damaged page. Only after the latter are the pages checked (pageCheck.ts).
 *
 * The mark is a file in /run: a boot resets it, and no disk delays the write of its byte, which takes a
 * microsecond. In the log's own folder, each write would also wake everybody who follows the log.
 */
import { closeSync, constants, openSync, readSync, rmSync, statSync, writeSync } from "node:fs";

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
const WORKING = Buffer.from("w");
const RESTING = Buffer.from("r");

export class WorkMark {
  /** Whether an earlier writer of this boot died while it did not work. False if that is not known. */
  readonly leftResting: boolean;
  readonly #path: string;
  #descriptor: number | undefined;

  private constructor(path: string) {
    this.#path = path;
    const mark = Buffer.alloc(1);
    try {
      this.#descriptor = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
      readSync(this.#descriptor, mark, 0, 1, 0);
    } catch {
      // Without a mark, every writer that was killed counts as one that worked.
      this.#giveUp();
    }
    this.leftResting = mark.equals(RESTING);
  }

  /** @param folder the log's, which names the mark. So a log that is renamed keeps its mark. */
  static open(folder: string): WorkMark {
    const { dev, ino } = statSync(folder, { bigint: true });
    return new WorkMark(`/run/nomad-driver-exec2.log-${dev}-${ino}`);
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
    this.#write(WORKING);
  }

  end(): void {
    this.#write(RESTING);
  }

  /** Removes the mark of a log that was closed. */
  remove(): void {
    this.#giveUp();
  }

  #write(mark: Buffer): void {
    if (this.#descriptor === undefined) return;
    try {
      writeSync(this.#descriptor, mark, 0, 1, 0);
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
