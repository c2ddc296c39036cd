/** What a command may do with its own terminal: open it anew, by its name or as /dev/tty. */
import { closeSync, constants, existsSync, openSync } from "node:fs";
import { O_PATH } from "../kernel/constants.ts";
import { landlockAddRule } from "../kernel/libc.ts";
import { accessOf } from "../landlock/access.ts";
import { pathBeneathAttr, RULE_PATH_BENEATH } from "../landlock/attributes.ts";

const readWrite = { read: true, write: true, execute: false, create: false };

/**
 * Adds it to the task's ruleset, for the task itself has restricted itself before
 * and gets nothing of it. The rule on the terminal goes with the terminal; /dev/tty
 * means each process's own.
 * @param abi of the kernel when the ruleset was made
 */
export function unveilTerminal(ruleset: number, slave: number, abi: number): void {
  for (const path of [`/proc/self/fd/${slave}`, "/dev/tty"]) {
    if (!existsSync(path)) continue;
    const named = openSync(path, O_PATH | constants.O_NOCTTY);
    try {
      const attr = pathBeneathAttr(accessOf(readWrite, "file", abi), named);
      landlockAddRule(ruleset, RULE_PATH_BENEATH, attr, path);
    } finally {
      closeSync(named);
    }
  }
}
