/**
 * Root with all capabilities makes every system call that the default profile refuses. Without the filter
 * each call reaches the kernel; with the filter it is refused. The arguments make the kernel do nothing.
 */
import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import { defaultProfile } from "../../src/effects/seccomp/defaultProfile.ts";
import type { Restriction } from "../../src/effects/seccomp/restriction.ts";
import { type Call, hasCall, perlCalls, refusedCalls } from "../support/attacks/refusedCalls.ts";
import { filterOf, taskLines } from "../support/launch/launchRun.ts";
import type { LaunchInput } from "../support/launch/wholeLaunch.ts";

/** Calls that some kernels do not implement. Such a kernel returns the same error as the filter. */
const mayBeMissing = [
  ...["statmount", "listmount", "listns", "uselib", "ustat", "sysfs", "lookup_dcookie", "modify_ldt"],
  ...["socket 29", "socket 38", "socket 40", "socket 44", "socket 9999", "socket 16 3 9", "socket 16 3 12"],
];

const asRoot = { uid: 0, gid: 0 };

describe.each(defaultProfile.map((group) => [group.name, group] as const))(
  "@%s",
  (name, { restrictions }) => {
    const calls = (refusedCalls[name] ?? []).filter(([call]) => hasCall(call));

    it("has a sample of each of its calls", () => {
      const sampled = (refusedCalls[name] ?? []).map(([call]) => call);
      const refused = restrictions.flatMap(({ calls }) => calls);
      expect([...new Set(sampled)].sort()).toEqual([...new Set(refused)].sort());
    });

    it.runIf(calls.length > 0)("reaches the kernel without the filter, and is refused with it", async () => {
      const expected = calls.map(([call]) => errorOf(restrictions, call));
      const free = await outcomesOf(calls, asRoot);
      const missing = calls
        .filter((_, index) => free[index] === expected[index])
        .map((call) => call.join(" "));
      expect(missing.filter((call) => !mayBeMissing.some((each) => call.startsWith(each)))).toEqual([]);
      if (missing.length > 0)
        console.warn(`NOT SHOWN to work without the filter on this kernel: ${missing.join(", ")}`);
      expect(await outcomesOf(calls, { ...asRoot, filter: filterOf({}, { pidMode: "host" }) })).toEqual(
        expected,
      );
    });
  },
);

function errorOf(restrictions: readonly Restriction[], call: Call[0]): string | undefined {
  return restrictions.find(({ calls }) => calls.includes(call))?.errno;
}

/**
 * Makes each call in a separate task process.
 * @returns for each call: `ok`, or the name of its error
 */
async function outcomesOf(calls: readonly Call[], task: Partial<LaunchInput>): Promise<string[]> {
  const lines = await taskLines("", { command: "/usr/bin/perl", args: perlCalls(calls), ...task });
  return lines.map((line) => (line === "0" ? "ok" : (errorName(Number(line)) ?? line)));
}

function errorName(errno: number): string | undefined {
  return Object.entries(constants.errno).find(([name, value]) => value === errno && name !== "ENOTSUP")?.[0];
}
