/** What pages get of a task's output. Pure. */
import type { LogFileTime, LogLine, LogPosition } from "./lineTimes.ts";

export interface LogPage {
  readonly lines: readonly LogLine[];
  /** Whether the first line is the log's first one, and whether the last line is the log's last one. */
  readonly isBegin: boolean;
  readonly isEnd: boolean;
  /** The positions of the page's beginning and end. */
  readonly begin: LogPosition;
  readonly end: LogPosition;
  /** All files, the oldest first. */
  readonly files: readonly LogFile[];
}

export interface LogFile extends LogFileTime {
  /** Bytes. */
  readonly size: number;
}

export interface LogMatches {
  /** The last matching lines, oldest first. */
  readonly lines: readonly LogLine[];
  /** Whether there are earlier matching lines. */
  readonly more: boolean;
}

export interface LogNews {
  /** The first line may be a longer form of the last sent one, at the same position. */
  readonly lines: readonly LogLine[];
  /** The position after these lines. */
  readonly end: LogPosition;
}
