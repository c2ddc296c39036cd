/** A command's standard streams: three pipes, or a terminal for all three. */
import { closeSync, fchownSync } from "node:fs";
import { Socket } from "node:net";
import { Readable, type Writable } from "node:stream";
import { pipe2 } from "../kernel/libc.ts";
import { commandOutput } from "./commandOutput.ts";
import { openTerminal, resizeTerminal, type TerminalSize } from "./terminal.ts";
import { TerminalInput } from "./terminalInput.ts";

export interface CommandStdio {
  /** The command's side: descriptors of its input, output and error. */
  readonly given: readonly [stdin: number, stdout: number, stderr: number];
  /** Closes what is the command's alone, and has the rest read and written in the event loop. To be called once. */
  connect(): ConnectedStdio;
  /** Closes both sides, where it never came to {@link connect}. */
  close(): void;
}

export interface ConnectedStdio {
  /** Its end is the end of the command's input. Errors where the command does not read any more. */
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Empty where there is a terminal. */
  readonly stderr: Readable;
  /** Of the terminal; without one, or once the command has ended, of nothing. */
  resize(size: TerminalSize): void;
  /** The command has ended: the output ends after what is there already. */
  finish(): void;
}

/**
 * @param uid of the command, which owns the pipes, so that it can open `/dev/stdout` anew
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export function pipesFor(uid: number): CommandStdio {
  const [input, output, error] = [pipe2(), pipe2(), pipe2()];
  const given = [input.read, output.write, error.write] as const;
  for (const descriptor of given) fchownSync(descriptor, uid, -1);
  const own = [input.write, output.read, error.read];
  return {
    given,
    connect() {
      for (const descriptor of given) closeSync(descriptor);
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
      for (const descriptor of [...given, ...own]) closeSync(descriptor);
    },
  };
}

/**
 * A terminal stays open on the command's side, too, until the command has ended:
 * without that, the end could overtake the last output.
 * @param runnerFolder where to put the plan runner if this host doesn't execute memfds
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export function terminalFor(uid: number, size: TerminalSize | undefined, runnerFolder: string): CommandStdio {
  const { master, slave } = openTerminal(uid);
  if (size) resizeTerminal(master, size);
  return {
    given: [slave, slave, slave],
    connect() {
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
      const resize = (wanted: TerminalSize) => {
        if (open) resizeTerminal(master, wanted);
      };
      return { stdin, stdout: stdout.stream, stderr: Readable.from([]), resize, finish };
    },
    close() {
      closeSync(slave);
      closeSync(master);
    },
  };
}
