/**
 * A pseudo-terminal: pty(7). The plugin has the master side, and a command has the slave side.
 *
 * Each terminal is in its own file system, which only its command has at /dev/pts. This keeps other processes
 * from reaching the terminal by a path. File permissions would not keep them away: the rule that allows the
 * terminal is in the ruleset of the whole task, and later commands run as the same user.
 */
import { closeSync, constants, existsSync, fchownSync, fstatSync, openSync, writeSync } from "node:fs";
import { Writable } from "node:stream";
import { errnoOf } from "../../base/errors.ts";
import * as k from "../kernel/constants.ts";
import { POLLOUT } from "../kernel/constants.ts";
import { ioctl, landlockAddRule, newFileSystem, waitpid } from "../kernel/libc.ts";
import { pathBeneathAttr, pollDescriptor, windowSize } from "../kernel/structs.ts";
import { accessOf } from "../landlock/rights.ts";
import { endWithParentStep } from "../plan/commonSteps.ts";
import { bytes, noSteps, type WholePlan } from "../plan/plan.ts";
import { spawnPlan } from "../plan/spawnPlan.ts";
import { terminalOptions } from "../root/mountSteps.ts";
import type { PathKind } from "../unveil/unveiledPaths.ts";

/** Descriptors, close-on-exec. */
export interface Terminal {
  /** Non-blocking. */
  readonly master: number;
  /** The command's side. It belongs to the task's user. */
  readonly slave: number;
  /** The root of the terminal's file system. */
  readonly devpts: number;
}

/** In characters. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** @throws DriverError `KERNEL_CALL_FAILED`, or Node's own error if the terminal cannot be opened */
export function openTerminal(uid: number): Terminal {
  using opened = new DisposableStack();
  const keep = (descriptor: number) => opened.adopt(descriptor, closeSync);
  // The command may open terminals there, too.
  const devpts = keep(newFileSystem("devpts", terminalOptions, k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NOEXEC));
  const how = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;
  const master = keep(openSync(`/proc/self/fd/${devpts}/ptmx`, how));
  ioctl(master, k.TIOCSPTLCK, new Uint8Array(4));
  const slave = keep(ioctl(master, k.TIOCGPTPEER, k.O_RDWR | k.O_NOCTTY | k.O_CLOEXEC));
  fchownSync(slave, uid, fstatSync(slave).gid);
  opened.move();
  return { master, slave, devpts };
}

/** The foreground process group gets SIGWINCH if the size changes: ioctl_tty(2). */
export function resizeTerminal(master: number, { rows, columns }: TerminalSize): void {
  ioctl(master, k.TIOCSWINSZ, windowSize(clamp(rows), clamp(columns)));
}

/** Limits a number to the range of `unsigned short`. */
function clamp(characters: number): number {
  return Math.min(Math.max(0, Math.trunc(characters)), 0xffff);
}

/** Lets a command reopen its own terminal, by its name or as /dev/tty. */
const readWrite = { read: true, write: true, execute: false, create: false };

/**
 * Adds rules for the terminal to the task's ruleset. They do not affect the task itself, which has restricted
 * itself already. The rule on /dev/tty is safe, because /dev/tty leads each process to its own terminal.
 * @param devpts the root of the terminal's file system
 * @param abi the Landlock ABI for which the ruleset was built
 */
export function unveilTerminal(ruleset: number, devpts: number, abi: number): void {
  addRule(ruleset, devpts, "folder", abi);
  if (!existsSync("/dev/tty")) return;
  const tty = openSync("/dev/tty", k.O_PATH | constants.O_NOCTTY);
  try {
    addRule(ruleset, tty, "file", abi);
  } finally {
    closeSync(tty);
  }
}

function addRule(ruleset: number, descriptor: number, kind: PathKind, abi: number): void {
  landlockAddRule(
    ruleset,
    k.LANDLOCK_RULE_PATH_BENEATH,
    pathBeneathAttr(accessOf(readWrite, kind, abi), descriptor),
  );
}

/** The character VEOF of a new terminal, Ctrl-D: termios(3). */
const END_OF_FILE = 0x04;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * Writes typed input to the master side of a terminal, as a stream.
 *
 * Node writes to terminals with blocking calls, and cannot wait for room. So this class writes without
 * blocking. If the terminal is full because its program does not read, the class spawns a process that waits
 * for room with a single system call.
 */
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
