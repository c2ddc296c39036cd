/** Runs test/fixtures/restricted.ts, which tests what a ruleset allows and refuses on the real kernel. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { UnveilRule } from "../../../src/effects/unveil/unveilRules.ts";

/** The attempt, its path (or process, or shell command), and the second path of calls with two paths. */
export type Attempt = readonly [what: What, path: string, other?: string];

type What =
  | "read"
  | "list"
  | "write"
  | "truncate"
  | "run"
  | "shell"
  | "makeFile"
  | "makeFolder"
  | "makeLink"
  | "makeFifo"
  | "makeSocket"
  | "makeBlockDevice"
  | "makeCharDevice"
  | "removeFile"
  | "removeFolder"
  | "rename"
  | "hardLink"
  | "ioctl"
  | "signal"
  | "signalChild"
  | "connect"
  | "connectOwn"
  | "connectAbstract"
  /** Drops all unused dentries and inodes from the kernel's caches. */
  | "dropCaches";

export interface Restriction {
  readonly rules: readonly UnveilRule[];
  readonly abi: number;
  readonly scopes?: number;
  readonly attempts: readonly Attempt[];
  /** A program to execute instead of making attempts. */
  readonly exec?: readonly string[];
  /** Whether to close the descriptors that init should keep open. */
  readonly forgetful?: boolean;
}

/**
 * @param ownProc whether to run in new pid and mount namespaces with a new proc file system
 * @returns an outcome for each attempt: `ok`, a program's output, or an errno
 */
export async function restricted(restriction: Restriction, { ownProc = false } = {}): Promise<string[]> {
  return JSON.parse(await outputOf(restriction, ownProc)) as string[];
}

/** The output of the program that the restricted process executed. */
export function outputOf(restriction: Restriction, ownProc: boolean): Promise<string> {
  const fixture = fileURLToPath(new URL("../../fixtures/restricted.ts", import.meta.url));
  const node = [process.execPath, fixture, JSON.stringify(restriction)];
  const [command, ...args] = ownProc ? ["unshare", "--fork", "--pid", "--mount-proc", ...node] : node;
  return execute(command as string, args);
}

async function execute(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { timeout: 60_000 });
  return stdout;
}
