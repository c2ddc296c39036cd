/** A command's standard streams: three pipes, or a terminal for all three. */
import { closeSync, fchownSync } from "node:fs";
import { Socket } from "node:net";
import { Readable, type Writable } from "node:stream";
import { pipe2 } from "../kernel/libc.ts";
import { commandOutput } from "./commandOutput.ts";
import { openTerminal, resizeTerminal, type TerminalSize } from "./terminal.ts";
import { TerminalInput } from "./terminalInput.ts";

export interface CommandStdio {
  /** Descriptors of the command's side. */
  readonly descriptors: readonly [stdin: number, stdout: number, stderr: number];
  /** The root of a terminal's file system; undefined without a terminal. */
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
  /** To be called when the command has ended: ends the output after what is already there. */
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

/**
 * Until the command has ended, the plugin keeps the command's side of the terminal open, too. Otherwise the
 * end of file could overtake the last output.
 * @param runnerFolder where to put the plan runner if this host doesn't execute memfds
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
