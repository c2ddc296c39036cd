/**
 * A mark that says whether the log's writer is inside a database operation. It outlives the writer. So the
 * next writer can distinguish a writer that was killed while idle, which neither caused damage nor died of
 * it, from one that may have died of a damaged page. It checks the pages only in the latter case
 * (pageCheck.ts).
 *
 * The mark is a file in /run, so a boot resets it, and no disk delays the write of its byte, which takes a
 * microsecond. In the log's own folder, each write would also wake all followers of the log.
 */
import { closeSync, constants, openSync, readSync, rmSync, statSync, writeSync } from "node:fs";

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
const WORKING = Buffer.from("w");
const RESTING = Buffer.from("r");

export class WorkMark {
  /** Whether an earlier writer of this boot died while it was idle. False if that is unknown. */
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
      // Without a mark, every killed writer counts as one that was working.
      this.#giveUp();
    }
    this.leftResting = mark.equals(RESTING);
  }

  /** @param folder the log's folder, which identifies the mark, so that a renamed log keeps its mark */
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
