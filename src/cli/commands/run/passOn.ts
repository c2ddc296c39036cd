/** Passes a task's output on to standard output or standard error. */
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { hasFailed, type OutputFailure, onOutputFailure } from "../../terminal/output.ts";

/** Changes the bytes of a stream on their way. */
export interface Passing {
  push(chunk: Buffer): Buffer;
  end(): Buffer;
}

/**
 * Passes a stream on until its end. A slow reader slows down the stream, and so the task.
 * @param written is called with what was written
 */
export async function passOn(
  source: Readable,
  to: OutputFailure["stream"],
  passing: Passing,
  written: (bytes: Buffer) => void = () => undefined,
): Promise<void> {
  const sink = process[to];
  const write = (bytes: Buffer) => {
    // A task must not wait for a reader that no longer exists.
    if (bytes.length === 0 || hasFailed(to)) return true;
    const hasRoom = sink.write(bytes);
    written(bytes);
    return hasRoom;
  };
  source.on("data", (chunk: Buffer) => {
    if (write(passing.push(chunk))) return;
    source.pause();
    sink.once("drain", () => source.resume());
  });
  onOutputFailure((failure) => failure.stream === to && source.resume());
  // A stream that has ended by now does not end once more.
  await finished(source, { writable: false }).catch(() => undefined);
  write(passing.end());
}
