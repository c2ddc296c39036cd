/** Where a task's output goes. Pure. */
import { z } from "zod";
import type { JournalStream } from "./journal.ts";

/**
 * The agent's log pipes, beside the log files: `…/alloc/logs/.web.stdout.fifo`. An agent names them even if it does not
 * make them. `/dev/null` if the job disables its logs.
 */
export interface LogPipes {
  readonly stdoutPath: string;
  readonly stderrPath: string;
  /** The allocation's private folder. */
  readonly allocDir: string;
}

/** How much of a stream of output is kept. */
export interface LogBounds {
  readonly maxFiles: number;
  readonly maxFileBytes: number;
  /** How fast output is taken; 0 or missing, as in records of earlier releases: as fast as it comes. */
  readonly bytesPerSecond?: number | undefined;
}

export type Destination =
  /** The agent takes it for its log files, or nobody does. */
  | { readonly to: "agent" }
  /** A process of the driver's writes it to log files. */
  | { readonly to: "files"; readonly bounds: LogBounds }
  /** A process of the driver's passes it on. Then the log files only say so. */
  | { readonly to: "journald"; readonly stream: JournalStream };

const logBounds = z.object({
  maxFiles: z.number(),
  maxFileBytes: z.number(),
  bytesPerSecond: z.number().optional(),
});
const journal = z.object({ identifier: z.string(), namespace: z.string().nullable() });

/** The fields of a recorded request. At most one is set. */
export const recordedDestination = {
  /** How much of each stream the driver keeps, if it writes the log files; null if the agent does, or nobody. */
  logBounds: logBounds.nullable(),
  /** What names the task's output in the journal, if journald takes it. */
  journal: journal.nullable(),
};

/** The fields of a task's handle. */
export const destinationInHandle = { logBounds: logBounds.optional(), journal: journal.optional() };

interface Fields {
  readonly logBounds?: LogBounds | null | undefined;
  readonly journal?: JournalStream | null | undefined;
}

/** The destination that a recorded request or a handle has. Without a request, nothing of the driver's takes output. */
export function destinationOf(recorded: Fields | null): Destination {
  const { logBounds, journal } = recorded ?? {};
  if (logBounds) return { to: "files", bounds: logBounds };
  return journal ? { to: "journald", stream: journal } : { to: "agent" };
}

export function recordDestination(output: Destination) {
  return {
    logBounds: output.to === "files" ? { ...output.bounds } : null,
    journal: output.to === "journald" ? { ...output.stream } : null,
  };
}

/** What a handle has of a recorded request. */
export function handOnDestination({ logBounds, journal }: Fields) {
  return { ...(logBounds && { logBounds }), ...(journal && { journal }) };
}
