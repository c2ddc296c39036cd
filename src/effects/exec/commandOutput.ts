/** What a command writes, as a stream: read from a pipe or a terminal in the event loop, no faster than it is consumed. */
import { readSync } from "node:fs";
import { Socket, type SocketConstructorOpts } from "node:net";
import { Readable } from "node:stream";
import { ReadStream } from "node:tty";
import { errnoOf } from "../../errors.ts";

export interface CommandOutput {
  readonly stream: Readable;
  /**
   * The command has ended: ends the stream after what is there already, whoever
   * else may have the other side open. Closes the descriptor.
   */
  finish(): void;
}

/** The most that is read at once: what a pipe holds. */
const chunkBytes = 65_536;

/** @param descriptor of a pipe's reading end or a terminal's master side, which is this stream's from now on */
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
    // With a buffer of its own the socket stops reading at once.
    source.pause();
    for (const chunk of whatIsThere(descriptor)) stream.push(chunk);
    end();
  };
  return { stream, finish };
}

type OnRead = NonNullable<SocketConstructorOpts["onread"]>;

function open(fd: number, kind: "pipe" | "terminal", onread: OnRead): Socket {
  if (kind === "pipe") return new Socket({ fd, readable: true, writable: false, onread });
  // Node passes the options on to the socket that this is; its types do not say so.
  return new (ReadStream as new (fd: number, options: object) => Socket)(fd, { onread });
}

/**
 * Nobody fills it any more but what the command has left behind on purpose, so
 * there is a bound: twice what a pipe or a terminal holds.
 */
function whatIsThere(descriptor: number): Buffer[] {
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

/** 0 at the end, and where nothing is there: EAGAIN of a pipe, EIO of a terminal that nobody has open. */
function tryRead(descriptor: number, buffer: Buffer): number {
  try {
    return readSync(descriptor, buffer);
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
    return 0;
  }
}
