/** Reads one stream of a task's output, from a chosen line on. */
import { closeSync, fstatSync } from "node:fs";
import { LogFiles, type LogPlace, type LogPosition, LogSpan, readAt } from "./logFiles.ts";
import { LogTimes, type TimeSpan } from "./logTimes.ts";

const chunkBytes = 64 * 1024;
const newline = 0x0a;
/** How much a file's time may be behind the clock. */
const coarseMs = 1000;

/**
 * Bytes at the end of a stream in which its last lines are looked for. A task may leave a file without any
 * line: a sparse file of terabytes takes it no time.
 */
export const maxSeekBytes = 64 * 2 ** 20;

/** Reads the bytes of one stream of a task's output, from a chosen line on, through all later files. */
export class LogStream {
  readonly #files: LogFiles;
  #span: LogSpan;
  /** Files that are open although they are not read yet, by their numbers. */
  readonly #held = new Map<number, number>();
  #skipped = 0;
  #file: number | undefined;
  #index = -1;
  #offset = 0;
  /** Times of a file whose output they cover up to an offset. */
  #times = { index: -1, until: 0, of: LogTimes.none };

  /**
   * @param span what to read
   * @throws DriverError `LOG_MISSING`
   */
  constructor(place: LogPlace, span = LogSpan.whole) {
    this.#files = new LogFiles(place);
    this.#span = span;
  }

  /** Changes what is read from now on, such as when the end of a run's output is known. */
  limit(span: LogSpan): void {
    this.#span = span;
  }

  /** Whether there are any files of the stream. */
  get exists(): boolean {
    return this.#indexes().length > 0;
  }

  /**
   * Starts at the last `count` lines, or later: at most `within` bytes from the end. A line that begins before
   * them is cut.
   */
  seekLines(count: number, within: number): void {
    if (count === 0) {
      this.#seekEnd();
      return;
    }
    // A newline at the very end does not begin another line.
    let missing = count + 1;
    let isEnd = true;
    let room = within;
    for (const index of this.#indexes().reverse()) {
      const file = this.#files.open(index);
      if (file === undefined) continue;
      const begin = this.#span.beginIn(index);
      for (let end = this.#span.endIn(index, fstatSync(file).size); end > begin; ) {
        if (room <= 0) {
          this.#goTo(file, index, end);
          return;
        }
        const length = Math.min(end - begin, chunkBytes, room);
        const bytes = readAt(file, end - length, length);
        room -= length;
        if (isEnd && bytes.at(-1) !== newline) missing -= 1;
        isEnd = false;
        for (let at = bytes.length - 1; at >= 0; at--) {
          if (bytes[at] !== newline) continue;
          missing -= 1;
          if (missing > 0) continue;
          this.#goTo(file, index, end - bytes.length + at + 1);
          return;
        }
        end -= bytes.length;
        if (bytes.length === 0) break;
      }
      closeSync(file);
    }
  }

  /**
   * Starts at the first output that may have been written at or after a time, as far as there are times: output
   * without times is read, unless its whole file was last written to before.
   * @param time milliseconds since the epoch
   * @returns whether what is read may begin within a line
   */
  seekTime(time: number): boolean {
    for (const index of this.#indexes()) {
      const file = this.#files.open(index);
      if (file === undefined) continue;
      const { mtimeMs } = fstatSync(file);
      const begin = this.#span.beginIn(index);
      const from = mtimeMs + coarseMs < time ? undefined : this.#files.times(index).since(time);
      if (from !== undefined) {
        this.#goTo(file, index, Math.max(begin, from - 1));
        return from > begin;
      }
      closeSync(file);
    }
    this.#seekEnd();
    return false;
  }

  /** When a byte was written; undefined if nothing says it. */
  timeAt({ file, bytes }: LogPosition): TimeSpan | undefined {
    // The logger notes the time before it writes, so the times are read after the output.
    if (this.#times.index !== file || this.#times.until <= bytes) {
      const size = this.#file === undefined ? 0 : fstatSync(this.#file).size;
      const until = file === this.#index ? size : Number.POSITIVE_INFINITY;
      this.#times = { index: file, until, of: this.#files.times(file) };
    }
    return this.#times.of.at(bytes);
  }

  /** Whether there are times of anything that is read. */
  get hasTimes(): boolean {
    return this.#indexes().some((index) => this.#files.times(index).exist);
  }

  #seekEnd(): void {
    const last = this.#indexes().at(-1);
    const file = last === undefined ? undefined : this.#files.open(last);
    if (last === undefined || file === undefined) return;
    this.#goTo(file, last, this.#span.endIn(last, fstatSync(file).size));
  }

  /** Where the bytes end that {@link read} has returned last: all of them are of one file. */
  get position(): LogPosition {
    return { file: this.#index, bytes: this.#offset };
  }

  /** The next bytes, from the next file if the current file is at its end. Undefined if none exist yet. */
  read(): Buffer | undefined {
    for (;;) {
      if (this.#file !== undefined) {
        const bytes = this.#readHere(this.#file);
        this.#offset += bytes.length;
        if (bytes.length > 0) return bytes;
      }
      // The file is at its end. If there is a later file, this file is read once more: the writer may have
      // appended to this file before it began the later file.
      const next = this.#next();
      if (next === undefined) return undefined;
      const last = this.#file === undefined ? Buffer.alloc(0) : this.#readHere(this.#file);
      if (last.length > 0) {
        this.#offset += last.length;
        return last;
      }
      const file = this.#held.get(next) ?? this.#files.open(next);
      this.#held.delete(next);
      if (file === undefined) return undefined;
      if (this.#index >= 0) this.#skipped += next - this.#index - 1;
      this.#goTo(file, next, this.#span.beginIn(next));
    }
  }

  #readHere(file: number): Buffer {
    const end = this.#span.endIn(this.#index, Number.POSITIVE_INFINITY);
    return readAt(file, this.#offset, Math.max(0, Math.min(chunkBytes, end - this.#offset)));
  }

  /** Numbers of the files that have some of what is read. */
  #indexes(): number[] {
    return this.#files.indexes().filter((index) => this.#span.has(index));
  }

  /** The number of files that were removed before they could be read. */
  get skipped(): number {
    return this.#skipped;
  }

  /**
   * Opens up to `count` files that are not read yet, so that they can be read even when the writer has removed
   * them. They take space on the disk until they are read.
   */
  hold(count: number): void {
    for (const index of this.#indexes()) {
      if (this.#held.size >= count) return;
      if (index <= this.#index || this.#held.has(index)) continue;
      const file = this.#files.open(index);
      if (file !== undefined) this.#held.set(index, file);
    }
  }

  /** Passes over all output so far. */
  skip(): void {
    this.#seekEnd();
  }

  /** The number of the next file that can be read. */
  #next(): number | undefined {
    const held = [...this.#held.keys()].filter((index) => index > this.#index);
    return held.length > 0 ? Math.min(...held) : this.#indexes().find((index) => index > this.#index);
  }

  /**
   * Calls `changed` after each change in the folder of the stream's files, until the stream is closed.
   * @param changed takes whether a file was made or removed
   */
  watch(changed: (isNew: boolean) => void): void {
    this.#files.watch(changed, () => {});
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    for (const file of this.#held.values()) closeSync(file);
    this.#held.clear();
    this.#files.close();
  }

  #goTo(file: number, index: number, offset: number): void {
    if (this.#file !== undefined) closeSync(this.#file);
    [this.#file, this.#index, this.#offset] = [file, index, offset];
  }
}
