/** What the live stream sends to pages. Pure. */
import type { TaskSummary } from "./taskSummary.ts";

export type LiveMessage =
  /** The page drops all rows, and gets them again. */
  | { readonly kind: "reset"; readonly eventTypes: readonly string[] }
  | { readonly kind: "rows"; readonly rows: readonly TaskSummary[]; readonly gone: readonly string[] }
  | { readonly kind: "status"; readonly status: Status };

/** A problem of the logs, with what a person can do. */
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
  /** Whether all events that were stored at the start are read. */
  readonly ready: boolean;
}
