/** Makes system calls with raw arguments in a task, on the real kernel. */
import { constants } from "node:os";
import { type Architecture, type SystemCallName, systemCallNumber } from "../../../src/systemCalls.ts";
import { taskLines } from "../launch/launchRun.ts";
import type { LaunchInput } from "../launch/wholeLaunch.ts";

/** A name, and arguments: numbers, and strings for pointers to them. */
export type Call = readonly [name: SystemCallName, ...args: (number | string)[]];

const architecture: Architecture = process.arch === "arm64" ? "arm64" : "x64";

/** Perl is on every Debian and can make any call. It passes strings by their addresses. */
const perl = `
  for (@ARGV) {
    my ($number, @args) = split / /;
    my $result = syscall($number, map { /^"(.*)"$/ ? "$1\\0" : $_ + 0 } @args);
    print $result == -1 ? $! + 0 : 0, "\\n";
  }`;

/**
 * Makes each call in a separate task process.
 * @returns for each `ok`, or the name of its error
 */
export async function outcomesOf(calls: readonly Call[], task: Partial<LaunchInput>): Promise<string[]> {
  const args = calls.map(([name, ...rest]) =>
    [
      systemCallNumber(name, architecture),
      ...rest.map((arg) => (typeof arg === "string" ? `"${arg}"` : arg)),
    ].join(" "),
  );
  const lines = await taskLines("", { command: "/usr/bin/perl", args: ["-e", perl, ...args], ...task });
  return lines.map((line) => (line === "0" ? "ok" : (errorName(Number(line)) ?? line)));
}

/** Whether this machine's architecture has a call. */
export function hasCall(name: SystemCallName): boolean {
  return systemCallNumber(name, architecture) !== undefined;
}

function errorName(errno: number): string | undefined {
  return Object.entries(constants.errno).find(([name, value]) => value === errno && name !== "ENOTSUP")?.[0];
}
