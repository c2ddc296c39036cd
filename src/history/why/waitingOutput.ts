/** What a running task's output waits for, as this host shows it at the moment. No event tells it. */

import { closeSync } from "node:fs";
import { pipeFill } from "../../effects/kernel/libc.ts";
import { destinationOf } from "../../effects/logs/destination.ts";
import { readEndsOf, readLogRecord } from "../../effects/logs/loggerStart.ts";
import { bootId, isSameProcess } from "../../effects/processes/processIdentity.ts";
import { runFiles } from "../../effects/run/runFiles.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { formatBytes } from "../../units/sizes.ts";
import { basedOn, type Sentence } from "./facts.ts";

/** A write of up to this many bytes is written whole or not at all: PIPE_BUF of pipe(7). */
const wholeWrite = 4096;

/**
 * @param context of a task on this host
 * @returns no sentence unless the task runs, the driver writes its log files, and nobody does at the moment
 */
export function waitingOutput({ request, sandbox, process }: TaskContext): Sentence[] {
  if (destinationOf(request).to !== "files" || sandbox === null || process === null) return [];
  if (process.bootId !== bootId()) return [];
  try {
    const record = readLogRecord(runFiles(sandbox.runFolder).logRecord);
    if (record === undefined || (record.logger !== undefined && isSameProcess(record.logger))) return [];
    const ends = readEndsOf(process.init);
    if (ends === undefined) return [];
    const gone = "the process that writes its log files is gone, and the plugin has not started another";
    const waits = [
      waitOf("standard output", ends.stdoutRead),
      waitOf("standard error", ends.stderrRead),
    ].filter((wait) => wait !== undefined);
    return [
      basedOn([], waits.length === 0 ? `No output waits, but ${gone}` : `${waits.join("; ")}: ${gone}`),
    ];
  } catch {
    // The run ends at this moment, or this user may not look.
    return [];
  }
}

/** @param pipe is closed */
function waitOf(stream: string, pipe: number): string | undefined {
  try {
    const { bytes, size } = pipeFill(pipe);
    if (bytes > size - wholeWrite)
      return `It waits for its ${stream}, whose pipe is full (${formatBytes(size)})`;
    return bytes === 0 ? undefined : `${formatBytes(bytes)} of its ${stream} wait`;
  } finally {
    closeSync(pipe);
  }
}
