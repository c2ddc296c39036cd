/** The plugin's end of a launch's report pipe. Waits in the event loop: no thread is held up. */
import { Socket } from "node:net";
import type { ProcessIdentity } from "../processStat.ts";
import { bufferBytes } from "./plan.ts";
import { parseReport } from "./report.ts";

export class ReportPipe {
  /** The first process that tells who it is; undefined where all end before one has. Rejects as {@link all} does. */
  readonly first: Promise<ProcessIdentity | undefined>;
  /** All that was reported, once nobody can report any more. Rejects where the pipe cannot be read. */
  readonly all: Promise<Uint8Array>;

  /** @param pipe is closed after its end */
  constructor(pipe: number) {
    const first = Promise.withResolvers<ProcessIdentity | undefined>();
    const all = Promise.withResolvers<Uint8Array>();
    let bytes = Buffer.alloc(0);
    new Socket({ fd: pipe, readable: true, writable: false })
      .on("data", (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
        if (bytes.length >= bufferBytes.identity) first.resolve(parseReport(bytes).processes[0]);
      })
      .once("end", () => {
        first.resolve(undefined);
        all.resolve(bytes);
      })
      .once("error", (error) => {
        first.reject(error);
        all.reject(error);
      });
    this.first = first.promise;
    this.all = all.promise;
    // Whoever waits for them is told.
    for (const each of [this.first, this.all]) each.catch(() => undefined);
  }
}
