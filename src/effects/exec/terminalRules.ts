/** Lets a command reopen its own terminal, by its name or as /dev/tty. */
import { closeSync, constants, existsSync, openSync } from "node:fs";
import { O_PATH } from "../kernel/constants.ts";
import { landlockAddRule } from "../kernel/libc.ts";
import { accessOf } from "../landlock/access.ts";
import { pathBeneathAttr, RULE_PATH_BENEATH } from "../landlock/attributes.ts";

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
