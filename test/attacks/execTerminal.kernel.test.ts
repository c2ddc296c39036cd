/**
 * While a user types at a terminal of `alloc exec`, another command of the same task tries to read the input.
 * That command has the same user, and its ruleset has the rule that allows the terminal.
 */
import { readlinkSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { startAgent, startTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { ExecCall, execScript } from "../support/agent/execCall.ts";

describe.each(["private", "host"])("a terminal of a task with the root %s", async (root) => {
  const agent = await startAgent({ options: { root } });

  test("cannot be opened by another command", async () => {
    const allocation = makeAllocation();
    const config = allocation.config("exec sleep 1000");
    await startTask(agent, config);
    const typed = new ExecCall(agent, config.id, ["sh", "-c", "echo ready; exec cat"], { tty: true });
    await typed.shows("ready");
    const pid = allocation.cgroup.processes().find((each) => isatty(each)) as number;
    // The terminal's paths: on the host, in its own command, and in /proc.
    const places = [
      readlinkSync(`/proc/${pid}/fd/0`),
      "/dev/pts/0",
      "/proc/[0-9]*/fd/0",
      "/proc/[0-9]*/root/dev/pts/*",
    ];
    const look = `for path in ${places.join(" ")}; do (exec 3<> $path && [ -t 3 ]) 2> /dev/null && echo opened $path; done; echo tried`;
    const other = await execScript(agent, config.id, look);
    expect(`${other.stdout}`).toBe("tried\n");
    typed.type("still there\n");
    await typed.shows("still there\r\nstill there");
    typed.cancel();
  });
});

function isatty(pid: number): boolean {
  return readlinkSync(`/proc/${pid}/fd/0`).startsWith("/dev/pts/");
}
