/**
 * Writes typed input to the master side of a terminal, as a stream.
 *
 * Node writes to terminals with blocking calls, and cannot wait for room. So this class writes without
 * blocking. If the terminal is full because its program does not read, it spawns a process that waits for
 * room with a single system call.
 */
import { writeSync } from "node:fs";
import { Writable } from "node:stream";
import { errnoOf } from "../../errors.ts";
import { POLLOUT } from "../kernel/constants.ts";
import { waitpid } from "../kernel/libc.ts";
import { pollDescriptor } from "../kernel/structs.ts";
import { bytes, noSteps, type WholePlan } from "../launch/plan.ts";
import { spawnPlan } from "../launch/spawnPlan.ts";
import { endWithParentStep } from "../launch/steps/superviseSteps.ts";

/** The character VEOF of a new terminal, Ctrl-D: termios(3). */
const END_OF_FILE = 0x04;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

export class TerminalInput extends Writable {
  readonly #master: number;
  readonly #runnerFolder: string;
  #last = NEWLINE;
  /** Pid of the process that waits for room. */
  #waiter: number | undefined;

  /** @param master descriptor of the master side, which the caller closes */
  constructor(master: number, runnerFolder: string) {
    super({ highWaterMark: 65_536 });
    this.#master = master;
    this.#runnerFolder = runnerFolder;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#last = chunk.at(-1) ?? this.#last;
    this.#writeAll(chunk).then(() => done(), done);
  }

  /** A terminal has no end of file, so the end of the input is sent as a person would type it. */
  override _final(done: (error?: Error | null) => void): void {
    const atLineStart = this.#last === NEWLINE || this.#last === RETURN;
    // Within a line the first Ctrl-D only passes the line to the program.
    const typed = atLineStart ? [END_OF_FILE] : [END_OF_FILE, END_OF_FILE];
    this.#writeAll(Buffer.from(typed)).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#waiter !== undefined) process.kill(this.#waiter, "SIGKILL");
    done(error);
  }

  async #writeAll(content: Buffer): Promise<void> {
    let rest = content;
    while (rest.length > 0 && !this.destroyed) {
      const written = tryWrite(this.#master, rest);
      rest = rest.subarray(written);
      if (written === 0) await this.#waitForRoom();
    }
  }

  /** Resolves when the terminal takes input again, or is closed. */
  async #waitForRoom(): Promise<void> {
    const { pid, report } = spawnPlan(waitingPlan, { terminal: this.#master }, this.#runnerFolder);
    this.#waiter = pid;
    await report;
    // The process is reaped only here. Until then no other process can get its pid.
    this.#waiter = undefined;
    waitpid(pid, 0);
  }
}

/** @returns how many bytes were written; 0 if there was no room */
function tryWrite(descriptor: number, content: Buffer): number {
  try {
    return writeSync(descriptor, content);
  } catch (thrown) {
    if (errnoOf(thrown) === "EAGAIN") return 0;
    throw thrown;
  }
}

const terminal = 0;
const pollRequest = bytes(pollDescriptor(terminal, POLLOUT), `{fd: ${terminal}, events: POLLOUT}`);
const waitingPlan: WholePlan<"terminal"> = {
  initName: "exec2-exec: waiting for a terminal",
  inherited: { terminal },
  outlivesPlugin: false,
  steps: {
    ...noSteps,
    parent: [
      endWithParentStep("end with the plugin"),
      { name: "wait for room", call: "ppoll", args: [pollRequest, 1, 0, 0, 0] },
      { name: "exit", call: "exit_group", args: [0] },
    ],
  },
};
