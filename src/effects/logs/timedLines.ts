/** The lines of a stream of a task's output, with their times, chosen by them and by their text. */
import type { LogPosition } from "./logFiles.ts";
import type { LogStream } from "./logStream.ts";
import type { TimeSpan } from "./logTimes.ts";

const newline = 0x0a;
/** A longer line is cut into several, so that a task's endless line is not kept. */
const maxLineBytes = 64 * 1024;

/** A line, with its newline if it has one. */
export interface TimedLine {
  readonly bytes: Buffer;
  /** When its first byte was written; undefined if nothing says it. */
  readonly time: TimeSpan | undefined;
}

export interface LineChoice {
  /** Milliseconds since the epoch. No line that was written then or later is left out. */
  readonly since?: number | undefined;
  /** No line that was written until then is left out. */
  readonly until?: number | undefined;
  readonly matching?: RegExp | undefined;
}

/** A line whose time is not known is not left out for its time. */
export class TimedLines {
  readonly #stream: LogStream;
  readonly #choice: LineChoice;
  /** Where the unfinished line begins, and its bytes. */
  #begun: LogPosition | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Whether everything up to the next newline is of a line before the first. */
  #skips: boolean;

  constructor(stream: LogStream, choice: LineChoice) {
    this.#stream = stream;
    this.#choice = choice;
    this.#skips = choice.since !== undefined && stream.seekTime(choice.since);
  }

  /** The chosen lines among the next ones; undefined if there is no more output yet. */
  read(): TimedLine[] | undefined {
    const bytes = this.#stream.read();
    if (bytes === undefined) return undefined;
    const { file, bytes: end } = this.#stream.position;
    const begin = end - bytes.length;
    const lines: TimedLine[] = [];
    let at = 0;
    if (this.#skips) {
      const first = bytes.indexOf(newline);
      if (first === -1) return [];
      this.#skips = false;
      at = first + 1;
    }
    while (at < bytes.length) {
      const next = bytes.indexOf(newline, at) + 1;
      const stop = next === 0 ? bytes.length : next;
      this.#begun ??= { file, bytes: begin + at };
      this.#pending.push(bytes.subarray(at, stop));
      this.#pendingBytes += stop - at;
      if (next > 0 || this.#pendingBytes >= maxLineBytes) lines.push(...this.end());
      at = stop;
    }
    return lines;
  }

  /** The unfinished line, if it is chosen, once no more output is expected. */
  end(): TimedLine[] {
    if (this.#begun === undefined) return [];
    const line = { bytes: Buffer.concat(this.#pending), time: this.#stream.timeAt(this.#begun) };
    [this.#begun, this.#pending, this.#pendingBytes] = [undefined, [], 0];
    return this.#isChosen(line) ? [line] : [];
  }

  #isChosen({ bytes, time }: TimedLine): boolean {
    const { since, until, matching } = this.#choice;
    if (time !== undefined && since !== undefined && time.until < since) return false;
    if (time !== undefined && until !== undefined && time.from > until) return false;
    return matching === undefined || matching.test(bytes.toString().replace(/\r?\n$/, ""));
  }
}
