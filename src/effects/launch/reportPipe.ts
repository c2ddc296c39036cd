/** The plugin's end of a plan's report pipe. Waits in the event loop: no thread is held up. */
import { Socket } from "node:net";
import type { ProcessIdentity } from "../processes/processStat.ts";
import { bufferBytes } from "./plan.ts";
import { parseReport, type Report } from "./report.ts";

export interface ReportPipe {
  /** The first process that tells who it is; undefined where all end before one has. Rejects as {@link report} does. */
  readonly first: Promise<ProcessIdentity | undefined>;
  /** All that was reported, once nobody can report any more. Rejects where the pipe cannot be read. */
  readonly report: Promise<Report>;
}

/** @param pipe is closed after its end */
export function readReport(pipe: number): ReportPipe {
  const first = Promise.withResolvers<ProcessIdentity | undefined>();
  const report = readToEnd(pipe, (bytes) => {
    if (bytes.length >= bufferBytes.identity) first.resolve(parseReport(bytes).processes[0]);
  }).then(parseReport);
  report.then(() => first.resolve(undefined), first.reject);
  // Whoever waits for it is told.
  first.promise.catch(() => undefined);
  return { first: first.promise, report };
}

/**
 * All that comes through a pipe, which is closed after it.
 * @param soFar is told of what has come, each time that there is more
 */
export function readToEnd(pipe: number, soFar?: (bytes: Buffer) => void): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  let bytes = Buffer.alloc(0);
  new Socket({ fd: pipe, readable: true, writable: false })
    .on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      soFar?.(bytes);
    })
    .once("end", () => resolve(bytes))
    .once("error", reject);
  return promise;
}
