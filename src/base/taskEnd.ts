/** How a task, or a command in a task, ended: codes and words. Pure. */
import type { ErrorCode } from "./errors.ts";
import { signalName } from "./signalNames.ts";

/** Exit code of env(1) and docker-run(1) for their own failures. */
export const RUNNER_FAILED = 125;
/** Exit codes of POSIX shells for a command that they cannot run. */
export const NOT_EXECUTABLE = 126;
export const NOT_FOUND = 127;
/** Shells add this to the number of the signal that ended their command. */
export const SIGNALLED = 128;

/** How a process ended. */
export interface ProcessEnd {
  /** The exit code; 128 + signal if a signal ended it; -1 if it is unknown. */
  readonly exitCode: number;
  /** Number of the signal that ended it; 0 if it exited. */
  readonly signal: number;
}

/** How a process ended, in the kernel's terms. */
export interface ExitStatus {
  /** The code passed to exit(3); 0 if a signal ended it. */
  readonly exitCode: number;
  /** Number of the signal that ended it, or 0. */
  readonly signal: number;
  /** When it ended: milliseconds since the epoch. */
  readonly endedAtMs: number;
}

/** @param status as wait(2) returns it: `bits/waitstatus.h` */
export function exitStatusOf(status: number, endedAtMs: number): ExitStatus {
  const signal = status & 0x7f;
  const exitCode = signal === 0 ? (status >> 8) & 0xff : 0;
  return { exitCode, signal, endedAtMs };
}

export function endOfStatus({ exitCode, signal }: ExitStatus): ProcessEnd {
  return signal > 0 ? endBySignal(signal) : { exitCode, signal };
}

export function endBySignal(signal: number): ProcessEnd {
  return { exitCode: SIGNALLED + signal, signal };
}

export const unknownEnd: ProcessEnd = { exitCode: -1, signal: 0 };

/** The exit code of a program that passes on the end of a process; 125 if the end is unknown. */
export function codeToPassOn(end: Pick<ProcessEnd, "exitCode"> | undefined): number {
  return end === undefined || end.exitCode < 0 ? RUNNER_FAILED : end.exitCode;
}

/** The exit code of a program that could not start a process, by the code of the error. */
export function codeOfFailedStart(code: ErrorCode | undefined): number {
  if (code === "COMMAND_NOT_FOUND") return NOT_FOUND;
  const isRunner = code === undefined || code === "PLUGIN_FAILED" || code === "CONFIG_INVALID";
  return isRunner ? RUNNER_FAILED : NOT_EXECUTABLE;
}

/** `killed by SIGTERM`, `exit code 2`. */
export function describeEnd({ exitCode, signal }: ProcessEnd): string {
  return signal > 0 ? `killed by ${signalName(signal)}` : `exit code ${exitCode}`;
}

/**
 * How the driver learned of an end. `status`: the run's init recorded the end, or the witness of an adopted
 * task did. `forceKilled`: init had to be killed, too. `unknown`: init ended without recording
 * anything. `taskFile`: the Go driver's shim wrote the exit code to a file that the task could also write.
 */
export const endSources = ["status", "forceKilled", "unknown", "taskFile"] as const;

export interface TaskEnd extends ProcessEnd {
  /** Whether the OOM killer ended the task. */
  readonly oomKilled: boolean;
  readonly source: (typeof endSources)[number];
}

/** `SIGTERM`, `2`. */
export function shortEnd({ exitCode, signal }: ProcessEnd): string {
  return signal > 0 ? signalName(signal) : String(exitCode);
}

/** The end, if its cause is known. Null while the task runs, and for an end of unknown cause. */
export function knownEnd<End extends TaskEnd>(end: End | null): End | null {
  return end?.source === "unknown" ? null : end;
}

export function describeTaskEnd({ oomKilled, source, ...end }: TaskEnd): string {
  if (source === "unknown") return "has ended, but it is not known how";
  const how = describeEnd(end);
  if (source === "taskFile") return `${how}, according to a file that the task could write`;
  return oomKilled ? `${how}: out of memory` : how;
}
