/**
 * One stream of a task's output, read from its files one page at a time. Nothing is kept on the server. Every
 * read is bounded, however large the files and however long the lines are.
 */
import { closeSync, fstatSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { LogFiles, type LogPlace, LogSpan, readAt } from "../../../effects/logs/logFiles.ts";
import type { LogTimes } from "../../../effects/logs/logTimes.ts";
import type { LogFile, LogMatches, LogPage } from "../../views/answers.ts";
import { type LogLine, type LogPosition, placeLines, type RawLine } from "../../views/lineTimes.ts";

/** Bytes of a page, and of a read. */
const pageBytes = 64 * 1024;
/** Bytes of a line that are shown; a longer line is cut. */
const maxLineBytes = 4 * 1024;
const maxMatches = 200;
/** Bytes at the end of a log that are searched. A sparse file of terabytes costs a task nothing. */
const maxSearchBytes = 2 ** 30;
const newline = 0x0a;

export interface ReadLines {
  readonly lines: readonly RawLine[];
  /** The position after these lines. */
  readonly end: LogPosition;
  /** Whether the last line has no newline (yet). */
  readonly isOpen: boolean;
}

export class TaskLog {
  readonly #files: LogFiles;
  readonly #spanNow: () => LogSpan;

  /**
   * @param spanNow returns what to read, whose end may become known while the log is open
   * @throws DriverError `LOG_MISSING`
   */
  constructor(place: LogPlace, spanNow = () => LogSpan.whole) {
    this.#files = new LogFiles(place);
    this.#spanNow = spanNow;
  }

  get #span(): LogSpan {
    return this.#spanNow();
  }

  /** See {@link LogFiles.watch}. */
  watch(changed: () => void, gone: () => void): void {
    this.#files.watch(changed, gone);
  }

  close(): void {
    this.#files.close();
  }

  /** The last page. */
  lastPage(): LogPage {
    const files = this.#list();
    const last = files.at(-1);
    return this.#pageBefore({ index: last?.index ?? 0, offset: last?.size ?? 0 }, files);
  }

  /** The page that ends before a line. */
  pageBefore(position: LogPosition): LogPage {
    return this.#pageBefore(position, this.#list());
  }

  /** The page that begins with the first line at or after a position. */
  pageFrom(position: LogPosition): LogPage {
    const files = this.#list();
    const { lines, end } = this.#read(position, files);
    // If the position's file has been removed, the page begins with the oldest remaining file.
    const { index, offset } = lines[0] ?? position;
    return this.#page(lines, { index, offset }, end, files);
  }

  /**
   * Finds lines that contain a text, ignoring case, in the last GiB. Other work gets a turn between two reads.
   * @param isWanted ends the search when it returns false
   */
  async search(text: string, isWanted: () => boolean): Promise<LogMatches> {
    const files = this.#list();
    const needle = text.toLowerCase();
    let found: RawLine[] = [];
    let more = false;
    let room = maxSearchBytes;
    // The newest file first, because the end of a long log is most often of interest.
    for (const { index, size } of files.toReversed()) {
      const inFile: RawLine[] = [];
      const begin = Math.max(this.#span.beginIn(index), size - room);
      let position: LogPosition = { index, offset: begin };
      while (isWanted()) {
        const { lines, end } = this.#read(position, files, index);
        inFile.push(...lines.filter((line) => line.text.toLowerCase().includes(needle)));
        if (inFile.length > maxMatches) more = inFile.splice(0, inFile.length - maxMatches).length > 0;
        if (end.offset === position.offset) break;
        position = end;
        await turn();
      }
      found = [...inFile, ...found];
      more ||= begin > this.#span.beginIn(index);
      room -= size - begin;
      if (room <= 0) break;
      if (found.length > maxMatches || !isWanted()) break;
    }
    return {
      lines: this.#placed(found.slice(-maxMatches), files),
      more: more || found.length > maxMatches,
    };
  }

  /**
   * Lines from a position on, up to a page of them. All are from one file: the position's file, or the next
   * file if there is nothing left to read in the position's file.
   */
  linesFrom(position: LogPosition): ReadLines {
    return this.#read(position, this.#list());
  }

  /** Adds the known times to lines. */
  placed(lines: readonly RawLine[]): LogLine[] {
    return this.#placed(lines, this.#list());
  }

  #placed(lines: readonly RawLine[], files: readonly LogFile[]): LogLine[] {
    const times = new Map<number, LogTimes>();
    return placeLines(lines, files, zoneMinutes(), ({ index, offset }) => {
      const ofFile = times.get(index) ?? this.#files.times(index);
      times.set(index, ofFile);
      return ofFile.at(offset);
    });
  }

  #pageBefore(end: LogPosition, files: readonly LogFile[]): LogPage {
    let begin = end;
    let lines: RawLine[] = [];
    let room = pageBytes;
    // If the newest file is still small, the page begins in the file before it.
    for (const { index, size } of files.filter((file) => file.index <= end.index).toReversed()) {
      const until = index === end.index ? Math.min(end.offset, size) : size;
      const first = this.#span.beginIn(index);
      const from = Math.max(first, until - room);
      const bytes = this.#bytes(index, from, until - from);
      // If the bytes begin in the middle of a line, that line belongs to the page before, unless it fills a
      // whole page.
      const firstEnd = bytes.indexOf(newline) + 1;
      const skipped = from === first || firstEnd === bytes.length ? 0 : firstEnd;
      begin = { index, offset: from + skipped };
      lines = [...linesIn(bytes.subarray(skipped), begin), ...lines];
      room -= bytes.length;
      if (from > first || room <= 0) break;
    }
    return this.#page(lines, begin, end, files);
  }

  #page(lines: readonly RawLine[], begin: LogPosition, end: LogPosition, files: readonly LogFile[]): LogPage {
    const [first, last] = [files[0], files.at(-1)];
    return {
      lines: this.#placed(lines, files),
      isBegin:
        first === undefined ||
        (begin.index === first.index && begin.offset === this.#span.beginIn(first.index)),
      isEnd: last === undefined || (end.index === last.index && end.offset >= last.size),
      begin,
      end,
      files,
    };
  }

  /** @param only the number of the file to stay in; undefined continues with the next file */
  #read({ index, offset }: LogPosition, files: readonly LogFile[], only?: number): ReadLines {
    const bytes = this.#bytes(index, offset, pageBytes);
    const next = only === undefined ? files.find((file) => file.index > index) : undefined;
    if (bytes.length === 0) {
      // The writer begins the next file only after it has written the last byte of this one.
      const nothing = { lines: [], end: { index, offset }, isOpen: false };
      return next === undefined
        ? nothing
        : this.#read({ index: next.index, offset: this.#span.beginIn(next.index) }, files);
    }
    const isFull = bytes.length === pageBytes;
    const lastEnd = bytes.lastIndexOf(newline) + 1;
    // A line that is longer than a page is cut into several.
    const taken = isFull && lastEnd > 0 ? lastEnd : bytes.length;
    return {
      lines: linesIn(bytes.subarray(0, taken), { index, offset }),
      end: { index, offset: offset + taken },
      isOpen: !isFull && lastEnd !== bytes.length,
    };
  }

  #bytes(index: number, offset: number, length: number): Buffer {
    const file = this.#files.open(index);
    if (file === undefined) return Buffer.alloc(0);
    try {
      const end = this.#span.endIn(index, Number.POSITIVE_INFINITY);
      return readAt(file, offset, Math.max(0, Math.min(length, end - offset)));
    } finally {
      closeSync(file);
    }
  }

  #list(): LogFile[] {
    const indexes = this.#files.indexes().filter((index) => this.#span.has(index));
    return indexes.flatMap((index) => {
      const file = this.#files.open(index);
      if (file === undefined) return [];
      try {
        const { size, mtimeMs } = fstatSync(file);
        const [begin, end] = [this.#span.beginIn(index), this.#span.endIn(index, size)];
        return [{ index, size: end, changedAt: mtimeMs, ...(begin > 0 && { begin }) }];
      } finally {
        closeSync(file);
      }
    });
  }
}

/**
 * The page of the end of a run's output that its history has.
 * @param overAt when the run had ended
 */
export function keptPage(text: string, overAt: number): LogPage {
  const bytes = Buffer.from(text);
  const [begin, end] = [0, bytes.length].map((offset) => ({ index: 0, offset })) as [
    LogPosition,
    LogPosition,
  ];
  const files = [{ index: 0, size: bytes.length, changedAt: overAt }];
  const lines = placeLines(linesIn(bytes, begin), files, zoneMinutes());
  return { lines, files, begin, end, isBegin: true, isEnd: true, kept: true };
}

function linesIn(bytes: Buffer, { index, offset }: LogPosition): RawLine[] {
  const lines: RawLine[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(newline, at);
    const next = end === -1 ? bytes.length : end + 1;
    const line = bytes.subarray(at, end === -1 ? next : end);
    const cut = line.length > maxLineBytes ? "…" : "";
    lines.push({
      index,
      offset: offset + at,
      text: line.toString("utf8", 0, maxLineBytes).replace(/\r$/, "") + cut,
    });
    at = next;
  }
  return lines;
}

function zoneMinutes(): number {
  return -new Date().getTimezoneOffset();
}
