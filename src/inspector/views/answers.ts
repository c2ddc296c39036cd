/**
 * The server's answers to pages: the live stream, found events, dropped bundles, and tasks' output. Other
 * files of this folder hold the other answers. Pure.
 */

import type { BundleHeader } from "../../history/replay/bundle/bundleFormat.ts";
import type { LogFileTime, LogLine, LogPosition } from "./lineTimes.ts";
import type { TaskSummary } from "./taskSummary.ts";

export type LiveMessage =
  /** The page drops all rows, and gets them again. `count` is their number. */
  | { readonly kind: "reset"; readonly eventTypes: readonly string[]; readonly count: number }
  | {
      readonly kind: "rows";
      readonly rows: readonly TaskSummary[];
      readonly gone: readonly string[];
      /** Whether the page now has all rows in their present state. */
      readonly isAll: boolean;
    }
  | { readonly kind: "status"; readonly status: Status };

/** What a stream sends while it has no message: a comment of server-sent events. */
export const heartbeat = ":\n\n";
export const heartbeatMs = 2_000;

/** A problem with the logs, and what a person can do about it. */
export interface Problem {
  readonly kind: "missing" | "unreadable" | "damaged" | "newer" | "pluginGone";
  readonly text: string;
}

export interface Status {
  readonly path: string;
  /** Whether the path is a bundle, which gets no new events and may be of another host. */
  readonly bundle: boolean;
  readonly problems: readonly Problem[];
  /** Pids of the plugins that own the state folders. */
  readonly plugins: readonly number[];
  /** Whether all events that the logs had when they were opened have been read. */
  readonly ready: boolean;
  /** Whether the inspector reads a cluster, too. */
  readonly fleet?: boolean;
}

/** An event that contains all words of a search. */
export interface EventHit {
  /** The task's id. */
  readonly id: string;
  readonly seq: number;
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly title: string;
  readonly text: string;
}

export interface EventHits {
  readonly hits: readonly EventHit[];
  /**
   * The place at which to continue: the number of the log, and the position before which to search. Null at
   * the end.
   */
  readonly next: string | null;
}

/** The page's data about a dropped bundle. */
export interface BundleView {
  readonly name: string;
  readonly driver: string;
  readonly host: BundleHeader["host"];
  readonly exportedAt: number;
  readonly masked: boolean;
  readonly tasks: number;
  readonly events: number;
  /** The text of the first finding of each task; empty if everything is verified. */
  readonly findings: readonly string[];
}

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
  /** The log files are gone: this is the end of the output that the history has, as one file. */
  readonly kept?: true;
}

export interface LogFile extends LogFileTime {
  /** Bytes, up to the end of what is shown. */
  readonly size: number;
  /** Offset at which what is shown begins, if that is not the file's begin. */
  readonly begin?: number;
}

export interface LogMatches {
  /** The last matching lines, oldest first. */
  readonly lines: readonly LogLine[];
  /** Whether there are earlier matching lines. */
  readonly more: boolean;
}

/** The end of a run's own output, without what other runs of the task wrote to the same files. */
export interface LogTail {
  /** The stream that the run wrote to: stderr, unless it wrote to stdout only. */
  readonly stream: "stderr" | "stdout";
  /** The last lines, oldest first. */
  readonly lines: readonly string[];
  /** Why there are none, as a sentence; null if the run wrote nothing. */
  readonly problem: string | null;
  /** The log files are gone: these are of the end of the output that the history has. */
  readonly kept?: true;
}

export interface LogNews {
  /** The first line may be a longer form of the line that was sent last, at the same position. */
  readonly lines: readonly LogLine[];
  /** The position after these lines. */
  readonly end: LogPosition;
}
