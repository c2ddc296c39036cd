/** The log of a running task, for the output of a command that the driver itself runs in it. */
import { closeSync, constants, openSync } from "node:fs";
import type { LogPipes } from "../logs/destination.ts";
import { readEndsOf } from "../logs/loggerStart.ts";
import { LastLine, openLogPipe } from "../logs/logPipes.ts";
import type { ProcessIdentity } from "../processes/processIdentity.ts";
import type { OutputFiles } from "./commandStdio.ts";

/** Where the output of a run goes. */
export interface OutputPlace extends LogPipes {
  /** Whether a process of the driver's takes the output from pipes that init keeps. */
  readonly isOwn: boolean;
  readonly owner: { readonly uid: number; readonly gid: number };
  readonly init: ProcessIdentity;
}

/** The task's log, open for writing. */
export class TaskOutput implements OutputFiles, Disposable {
  readonly stdout: number;
  readonly stderr: number;

  /** Output that nobody could read does not keep a command from running: it is dropped. */
  constructor(place: OutputPlace) {
    const { stdout, stderr } = tryOpen(place) ?? { stdout: openNull(), stderr: openNull() };
    this.stdout = stdout;
    this.stderr = stderr;
  }

  /** Adds a line of the driver, if there is room. */
  write(line: string): void {
    using end = new LastLine(this.stderr);
    end.write(line);
  }

  [Symbol.dispose](): void {
    closeSync(this.stdout);
    closeSync(this.stderr);
  }
}

function tryOpen(place: OutputPlace): OutputFiles | undefined {
  const { stdoutPath, stderrPath, allocDir, isOwn, owner, init } = place;
  using undo = new DisposableStack();
  try {
    if (isOwn) return openOwn(init);
    const stdout = undo.adopt(openLogPipe(stdoutPath, allocDir, owner), closeSync);
    const stderr = openLogPipe(stderrPath, allocDir, owner);
    undo.move();
    return { stdout, stderr };
  } catch {
    return undefined;
  }
}

/** Opens the writing ends of the pipes whose reading ends init keeps for the logger. */
function openOwn(init: ProcessIdentity): OutputFiles | undefined {
  const ends = readEndsOf(init);
  if (ends === undefined) return undefined;
  using opened = new DisposableStack();
  for (const end of [ends.stdoutRead, ends.stderrRead]) opened.adopt(end, closeSync);
  using undo = new DisposableStack();
  const stdout = undo.adopt(reopen(ends.stdoutRead), closeSync);
  const stderr = reopen(ends.stderrRead);
  undo.move();
  return { stdout, stderr };
}

function reopen(readEnd: number): number {
  return openSync(`/proc/self/fd/${readEnd}`, constants.O_WRONLY);
}

function openNull(): number {
  return openSync("/dev/null", constants.O_WRONLY);
}
