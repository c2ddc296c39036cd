/** A command's output as a stream: read from a pipe or a terminal in the event loop, with backpressure. */
import { readSync } from "node:fs";
import { Socket, type SocketConstructorOpts } from "node:net";
import { Readable } from "node:stream";
import { ReadStream } from "node:tty";
import { errnoOf } from "../../errors.ts";

export interface CommandOutput {
  readonly stream: Readable;
  /**
   * To be called when the command has ended. Ends the stream after the output that is already there, even if
   * another process still has the other side open, and closes the descriptor.
   */
  finish(): void;
}

/** Size of one read: the capacity of a pipe. */
const chunkBytes = 65_536;

/** @param descriptor of a pipe's reading end or a terminal's master side; the stream closes it */
export function commandOutput(descriptor: number, kind: "pipe" | "terminal"): CommandOutput {
  const stream = new Readable({
    highWaterMark: chunkBytes,
    read: () => void source.resume(),
    destroy: (error, done) => {
      source.destroy();
      done(error);
    },
  });
  const source = open(descriptor, kind, {
    buffer: Buffer.allocUnsafe(chunkBytes),
    callback: (length, buffer) => stream.push(Buffer.from(buffer.subarray(0, length))),
  });
  const end = () => {
    source.destroy();
    if (!stream.readableEnded && !stream.destroyed) stream.push(null);
  };
  source.once("end", end).once("error", end);
  const finish = () => {
    if (source.destroyed) return;
    // The source has its own buffer (`onread`), so `pause` stops its reading at once.
    source.pause();
    for (const chunk of readAvailable(descriptor)) stream.push(chunk);
    end();
  };
  return { stream, finish };
}

type OnRead = NonNullable<SocketConstructorOpts["onread"]>;

function open(fd: number, kind: "pipe" | "terminal", onread: OnRead): Socket {
  if (kind === "pipe") return new Socket({ fd, readable: true, writable: false, onread });
  // Node passes the options on to the underlying socket, though its types do not say so.
  return new (ReadStream as new (fd: number, options: object) => Socket)(fd, { onread });
}

/**
 * Reads what is available. Processes that the command left behind may keep writing, so the amount is limited
 * to twice the capacity of a pipe or a terminal.
 */
function readAvailable(descriptor: number): Buffer[] {
  const chunks: Buffer[] = [];
  let room = 2 * chunkBytes;
  while (room > 0) {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    const length = tryRead(descriptor, chunk);
    if (length === 0) break;
    chunks.push(chunk.subarray(0, length));
    room -= length;
  }
  return chunks;
}

/** Returns 0 at the end, and if there is no input: EAGAIN of a pipe, EIO of an unopened terminal. */
function tryRead(descriptor: number, buffer: Buffer): number {
  try {
    return readSync(descriptor, buffer);
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
    return 0;
  }
}
