/** A pseudo-terminal: pty(7). The plugin has the master side, a command has the slave side. */
import { closeSync, constants, existsSync, fchownSync, fstatSync, openSync } from "node:fs";
import * as k from "../kernel/constants.ts";
import { O_PATH } from "../kernel/constants.ts";
import { ioctl, landlockAddRule } from "../kernel/libc.ts";
import { windowSize } from "../kernel/structs.ts";
import { accessOf } from "../landlock/access.ts";
import { pathBeneathAttr, RULE_PATH_BENEATH } from "../landlock/attributes.ts";

export interface Terminal {
  /** Non-blocking, close-on-exec. */
  readonly master: number;
  /** The command's side, close-on-exec. It belongs to the task's user. */
  readonly slave: number;
}

/** In characters. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** @throws DriverError `KERNEL_CALL_FAILED`, or Node's own error if /dev/ptmx cannot be opened */
export function openTerminal(uid: number): Terminal {
  const master = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  let slave: number | undefined;
  try {
    ioctl(master, k.TIOCSPTLCK, new Uint8Array(4));
    // Through the master, not by a path: /dev/pts may be another instance.
    slave = ioctl(master, k.TIOCGPTPEER, k.O_RDWR | k.O_NOCTTY | k.O_CLOEXEC);
    fchownSync(slave, uid, fstatSync(slave).gid);
    return { master, slave };
  } catch (thrown) {
    if (slave !== undefined) closeSync(slave);
    closeSync(master);
    throw thrown;
  }
}

/** The foreground process group gets SIGWINCH if the size changes: ioctl_tty(2). */
export function resizeTerminal(master: number, { rows, columns }: TerminalSize): void {
  ioctl(master, k.TIOCSWINSZ, windowSize(clamp(rows), clamp(columns)));
}

/** An `unsigned short`. */
function clamp(characters: number): number {
  return Math.min(Math.max(0, Math.trunc(characters)), 0xffff);
}

/** Lets a command reopen its own terminal, by its name or as /dev/tty. */
const readWrite = { read: true, write: true, execute: false, create: false };

/**
 * Adds rules to the task's ruleset. They do not affect the task itself, because it
 * has restricted itself already. The rule on the terminal disappears with the
 * terminal. /dev/tty is each process's own terminal.
 * @param abi of the kernel when the ruleset was built
 */
export function unveilTerminal(ruleset: number, slave: number, abi: number): void {
  for (const path of [`/proc/self/fd/${slave}`, "/dev/tty"]) {
    if (!existsSync(path)) continue;
    const descriptor = openSync(path, O_PATH | constants.O_NOCTTY);
    try {
      const attr = pathBeneathAttr(accessOf(readWrite, "file", abi), descriptor);
      landlockAddRule(ruleset, RULE_PATH_BENEATH, attr, path);
    } finally {
      closeSync(descriptor);
    }
  }
}
