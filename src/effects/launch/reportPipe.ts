/** The plugin's end of a plan's report pipe. Waits in the event loop, so no thread blocks. */
import { Socket } from "node:net";
import type { ProcessIdentity } from "../processes/processStat.ts";
import { identityRecord } from "../run/runLayout.ts";
import { parseReport, type Report } from "./report.ts";

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
 * @param onProgress called with all bytes so far, whenever there are more
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
