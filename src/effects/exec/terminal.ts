/**
 * A pseudo-terminal: pty(7). The plugin has the master side, a command has the slave side.
 *
 * Each terminal is in its own file system, which only its command has at /dev/pts. This keeps other processes
 * from reaching the terminal by a path. File permissions would not keep them away: the rule that allows the
 * terminal is in the ruleset of the whole task, and later commands run as the same user.
 */
import { closeSync, constants, existsSync, fchownSync, fstatSync, openSync } from "node:fs";
import * as k from "../kernel/constants.ts";
import { ioctl, landlockAddRule, newFileSystem } from "../kernel/libc.ts";
import { pathBeneathAttr, windowSize } from "../kernel/structs.ts";
import { accessOf, type PathKind } from "../landlock/access.ts";

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
  // Documentation/filesystems/devpts.rst. The command may open terminals there, too.
  const options = { ptmxmode: "0666", mode: "0600" };
  const devpts = keep(newFileSystem("devpts", options, k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NOEXEC));
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
 * itself already. The rule on /dev/tty is safe, because it leads each process to its own terminal.
 * @param devpts the root of the terminal's file system
 * @param abi of the kernel when the ruleset was built
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
