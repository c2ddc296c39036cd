/**
 * Checks names in options: those of system calls, and those of the default profile's groups, which begin with
 * `@`. Pure.
 */

import { nearest } from "../../suggest.ts";
import { isSystemCallName, systemCallNames } from "../../systemCalls.ts";
import type { OptionProblem } from "../values/optionProblem.ts";
import { defaultProfile } from "./defaultProfile.ts";

/** Whether a name is that of a system call or a group. */
export function isCallName(name: string): boolean {
  return isSystemCallName(name) || groupNames.includes(name);
}

/** What is wrong with a name in a list of allowed calls; undefined if nothing is. */
export function callProblem(name: string): OptionProblem | undefined {
  if (isCallName(name)) return undefined;
  const meant = nearest(name, [...groupNames, ...systemCallNames]);
  const message = `(${JSON.stringify(name)}) is not a system call`;
  // A list of all calls would be too long to read.
  if (meant === undefined)
    return { message, hint: `Write its name as in syscalls(2), or a group's: ${groupNames.join(", ")}` };
  return { message, hint: `Did you mean ${meant}?` };
}

/** What is wrong with a name in a list of refused calls; undefined if nothing is. */
export function deniedCallProblem(name: string): OptionProblem | undefined {
  if (!neededByLaunch.includes(name)) return callProblem(name);
  return {
    message: `(${JSON.stringify(name)}) would keep every task from starting`,
    hint: `A launch itself needs ${neededByLaunch.join(", ")}`,
  };
}

const groupNames = defaultProfile.map(({ name }) => `@${name}`);

/**
 * Calls that the launch makes under the filter: it executes the command or, if that fails, reports the error
 * and exits.
 */
const neededByLaunch = ["execve", "write", "exit_group"];
