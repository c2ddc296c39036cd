/** A command's standard streams: three pipes, or a terminal for all three. */
import { closeSync, constants, fchownSync, openSync, readSync } from "node:fs";
import { Socket, type SocketConstructorOpts } from "node:net";
import { Readable, Writable } from "node:stream";
import { ReadStream } from "node:tty";
import { errnoOf } from "../../base/errors.ts";
import { pipe2 } from "../kernel/libc.ts";
import { openTerminal, resizeTerminal, TerminalInput, type TerminalSize } from "./terminal.ts";

export interface CommandStdio {
  /** Descriptors of the command's side. */
  readonly descriptors: readonly [stdin: number, stdout: number, stderr: number];
  /** Descriptor of the root of the terminal's file system; undefined without a terminal. */
  readonly devpts: number | undefined;
  /** Closes the command's side, and connects the other side to the event loop. To be called once. */
  connect(): ConnectedStdio;
  /** Closes both sides. To be called instead of {@link connect}. */
  close(): void;
}

export interface ConnectedStdio {
  /** The end of the stream ends the command's input. A write fails once the command no longer reads. */
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Empty with a terminal. */
  readonly stderr: Readable;
  /** Resizes the terminal. Does nothing without one, or once the command has ended. */
  resize(size: TerminalSize): void;
  /** To be called when the command has ended: ends the output after the bytes that are already there. */
  finish(): void;
}

/**
 * @param uid the command's user, who becomes the pipes' owner, so that the command can reopen `/dev/stdout`
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export function pipesFor(uid: number): CommandStdio {
  const [input, output, error] = [pipe2(), pipe2(), pipe2()];
  const descriptors = [input.read, output.write, error.write] as const;
  for (const descriptor of descriptors) fchownSync(descriptor, uid, -1);
  const own = [input.write, output.read, error.read];
  return {
    descriptors,
    devpts: undefined,
    connect() {
      for (const descriptor of descriptors) closeSync(descriptor);
      const stdin = new Socket({ fd: input.write, readable: false, writable: true });
      const stdout = commandOutput(output.read, "pipe");
      const stderr = commandOutput(error.read, "pipe");
      const finish = () => {
        stdin.destroy();
        stdout.finish();
        stderr.finish();
      };
      return { stdin, stdout: stdout.stream, stderr: stderr.stream, resize: () => {}, finish };
    },
    close() {
      for (const descriptor of [...descriptors, ...own]) closeSync(descriptor);
    },
  };
}

/** Open files for a command's output; the caller closes them. */
export interface OutputFiles {
  readonly stdout: number;
  readonly stderr: number;
}

/** For a command without input whose output goes to files. The streams of the other side are empty. */
export function filesFor({ stdout, stderr }: OutputFiles): CommandStdio {
  const stdin = openSync("/dev/null", constants.O_RDONLY);
  const nothing = () => undefined;
  return {
    descriptors: [stdin, stdout, stderr],
    devpts: undefined,
    connect() {
      closeSync(stdin);
      return {
        stdin: new Writable({ write: (_chunk, _encoding, done) => done() }),
        stdout: Readable.from([]),
        stderr: Readable.from([]),
        resize: nothing,
        finish: nothing,
      };
    },
    close: () => closeSync(stdin),
  };
}

/**
 * Until the command has ended, the plugin keeps the command's side of the terminal open, too. Otherwise the
 * end of file could overtake the last output.
 * @param runnerFolder folder for the plan runner, if this host cannot execute memfds
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export function terminalFor(uid: number, size: TerminalSize | undefined, runnerFolder: string): CommandStdio {
  const { master, slave, devpts } = openTerminal(uid);
  if (size) resizeTerminal(master, size);
  return {
    descriptors: [slave, slave, slave],
    devpts,
    connect() {
      closeSync(devpts);
      const stdin = new TerminalInput(master, runnerFolder);
      const stdout = commandOutput(master, "terminal");
      let open = true;
      const finish = () => {
        if (!open) return;
        open = false;
        stdin.destroy();
        stdout.finish();
        closeSync(slave);
      };
      const resize = (newSize: TerminalSize) => {
        if (open) resizeTerminal(master, newSize);
      };
      return { stdin, stdout: stdout.stream, stderr: Readable.from([]), resize, finish };
    },
    close() {
      for (const descriptor of [slave, master, devpts]) closeSync(descriptor);
    },
  };
}

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

/** Returns 0 at the end of file, or if there is nothing to read: EAGAIN of a pipe, EIO of a terminal. */
function tryRead(descriptor: number, buffer: Buffer): number {
  try {
    return readSync(descriptor, buffer);
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
    return 0;
  }
}
