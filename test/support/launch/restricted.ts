/** Runs test/fixtures/restricted.ts: what does a ruleset of ours allow and refuse on the real kernel? */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { UnveilRule } from "../../../src/config/task/unveilRules.ts";

/** What to try, on which path (or process, or shell command), and for two-sided calls the other path. */
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
  /** Lets go of every cached dentry and inode that nobody holds. */
  | "dropCaches";

export interface Restriction {
  readonly rules: readonly UnveilRule[];
  readonly abi: number;
  readonly scopes?: number;
  readonly attempts: readonly Attempt[];
  /** A program to become instead of trying anything. */
  readonly exec?: readonly string[];
  /** Close at once what init should hold. */
  readonly forgetful?: boolean;
}

/**
 * @param ownProc whether in a pid and mount namespace of its own, with a proc file system of its own
 * @returns an outcome an attempt: `ok`, what a program said, or an errno
 */
export async function restricted(restriction: Restriction, { ownProc = false } = {}): Promise<string[]> {
  return JSON.parse(await outputOf(restriction, ownProc)) as string[];
}

/** What the program printed that the restricted process became. */
export function outputOf(restriction: Restriction, ownProc: boolean): Promise<string> {
  const fixture = fileURLToPath(new URL("../../fixtures/restricted.ts", import.meta.url));
  const node = [process.execPath, fixture, JSON.stringify(restriction)];
  const [command, ...args] = ownProc ? ["unshare", "--fork", "--pid", "--mount-proc", ...node] : node;
  return execute(command as string, args);
}

async function execute(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { timeout: 20_000 });
  return stdout;
}
