import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { waitpid } from "../../../src/effects/kernel/libc.ts";
import { posixSpawn } from "../../../src/effects/kernel/posixSpawn.ts";
import { bootId, isSameProcess, processIdentity } from "../../../src/effects/processes/processIdentity.ts";
import { unusedPid } from "../../support/host/processes.ts";

describe("the identity of a process", () => {
  it("is its pid and start time, while it lives", async () => {
    const child = spawn("sleep", ["1000"]);
    const identity = processIdentity(child.pid as number);
    expect(identity.pid).toBe(child.pid);
    expect(isSameProcess(identity)).toBe(true);
    expect(isSameProcess({ ...identity, startTicks: identity.startTicks - 1 })).toBe(false);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(isSameProcess(identity)).toBe(false);
  });

  it("is not that of a living process once the process is a zombie", () => {
    const pid = posixSpawn("/bin/sleep", ["sleep", "60"], [], []);
    const identity = processIdentity(pid);
    process.kill(pid, "SIGKILL");
    while (!readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ")) {}
    expect(processIdentity(pid)).toEqual(identity);
    expect(isSameProcess(identity)).toBe(false);
    waitpid(pid, 0);
  });

  it("does not exist for an unused pid", () => {
    const pid = unusedPid();
    expect(() => processIdentity(pid)).toThrow(
      expect.objectContaining({ failed: { call: "open", path: `/proc/${pid}/stat`, errno: "ENOENT" } }),
    );
    expect(isSameProcess({ pid, startTicks: 1 })).toBe(false);
  });

  it("is valid only in this boot, which has an id", () => {
    expect(bootId()).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(bootId()).toBe(bootId());
  });
});
