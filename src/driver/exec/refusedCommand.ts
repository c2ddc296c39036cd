/**
 * Answers a command that cannot be found or executed. As in a shell, a line on standard error and the exit
 * code report the error. If the gRPC call failed instead, agents would pass on only a short error.
 */
import { Readable, Writable } from "node:stream";
import { DriverError, lineOf } from "../../base/errors.ts";
import { NOT_EXECUTABLE, NOT_FOUND } from "../../base/taskEnd.ts";
import type { ExecSession } from "../driverPort.ts";

/**
 * A session that has ended already, with the error as its output.
 * @param terminal whether the line goes to a terminal
 * @throws `thrown` itself, if it does not mean that the command cannot be found or executed
 */
export function refusedCommand(thrown: unknown, terminal: boolean): ExecSession & { end(): void } {
  const exitCode = thrown instanceof DriverError ? exitCodeOf(thrown) : undefined;
  if (exitCode === undefined) throw thrown;
  const line = [Buffer.from(lineOf(thrown as DriverError) + (terminal ? "\r\n" : "\n"))];
  const nothing = () => undefined;
  return {
    stdin: new Writable({ write: (_chunk, _encoding, done) => done() }),
    stdout: Readable.from(terminal ? line : []),
    stderr: Readable.from(terminal ? [] : line),
    ended: Promise.resolve({ exitCode, signal: 0, oomKilled: false }),
    resize: nothing,
    cancel: nothing,
    end: nothing,
  };
}

function exitCodeOf({ code, failed }: DriverError): number | undefined {
  if (code === "COMMAND_NOT_FOUND") return NOT_FOUND;
  if (code === "COMMAND_NOT_EXECUTABLE") return NOT_EXECUTABLE;
  if (code !== "LAUNCH_FAILED" || failed?.call !== "execve") return undefined;
  // ENOENT then refers to the interpreter or loader, because the file itself existed a moment ago.
  return failed.errno === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE;
}
