/**
 * The report of a plan's processes. It comes through a pipe, which the plugin reads in the event loop, so no
 * thread blocks.
 */

import { Socket } from "node:net";
import type { ProcessIdentity } from "../processes/processStat.ts";
import { identityRecord, parseIdentity } from "./runLayout.ts";

/** Everything that the processes of a launch reported before all of them closed the pipe. */
export interface Report {
  /** The processes that reported their identity: init, then the task. */
  readonly processes: readonly ProcessIdentity[];
  readonly failure: StepFailure | undefined;
}

/** A step that failed. */
interface StepFailure {
  /** Address of its entry in the assembled plan. */
  readonly entry: number;
  readonly errno: number;
}

/**
 * Parses a report. Each record begins with a word: 0 for an identity, otherwise the
 * address of the entry that failed. Skips a truncated record.
 */
export function parseReport(bytes: Uint8Array): Report {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const processes: ProcessIdentity[] = [];
  let failure: StepFailure | undefined;
  let offset = 0;
  while (offset + FAILURE_BYTES <= bytes.length) {
    const entry = view.getUint32(offset, true);
    if (entry === 0) {
      const process = parseIdentity(bytes.subarray(offset));
      if (process !== undefined) processes.push(process);
      offset += identityRecord.bytes;
    } else {
      failure ??= { entry, errno: view.getUint32(offset + 8, true) };
      offset += FAILURE_BYTES;
    }
  }
  return { processes, failure };
}

const FAILURE_BYTES = 16;

export interface ReportPipe {
  /** The first process that reports its identity; undefined if none does. Rejects as {@link report} does. */
  readonly first: Promise<ProcessIdentity | undefined>;
  /** The whole report, once every process has closed the pipe. Rejects if the pipe cannot be read. */
  readonly report: Promise<Report>;
}

/** @param pipe descriptor of the reading end, which is closed at the end of the report */
export function readReport(pipe: number): ReportPipe {
  const first = Promise.withResolvers<ProcessIdentity | undefined>();
  const report = readToEnd(pipe, (bytes) => {
    if (bytes.length >= identityRecord.bytes) first.resolve(parseReport(bytes).processes[0]);
  }).then(parseReport);
  report.then(() => first.resolve(undefined), first.reject);
  // This only marks a rejection as handled. Callers that wait for `first` still get it.
  first.promise.catch(() => undefined);
  return { first: first.promise, report };
}

/**
 * Reads a pipe to its end and closes it.
 * @param onProgress called with all bytes read so far, whenever more arrive
 */
export function readToEnd(pipe: number, onProgress?: (bytes: Buffer) => void): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  let bytes = Buffer.alloc(0);
  new Socket({ fd: pipe, readable: true, writable: false })
    .on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      onProgress?.(bytes);
    })
    .once("end", () => resolve(bytes))
    .once("error", reject);
  return promise;
}
