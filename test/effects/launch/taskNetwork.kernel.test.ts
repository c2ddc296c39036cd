/** The network of a started task. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { TestRun, taskLines } from "../../support/launch/launchRun.ts";

const ownNamespace = () => readlinkSync("/proc/self/ns/net");

describe("a task's network", () => {
  it("is the host's by default", async () => {
    expect(await taskLines("readlink /proc/self/ns/net")).toEqual([ownNamespace()]);
  });

  it("is the namespace that it joins", async () => {
    const holder = spawn("unshare", ["--net", "sh", "-c", "echo ready; exec sleep 60"]);
    try {
      await once(holder.stdout, "data");
      const path = `/proc/${holder.pid}/ns/net`;
      expect(readlinkSync(path)).not.toBe(ownNamespace());
      expect(await taskLines("readlink /proc/self/ns/net", { network: { kind: "join", path } })).toEqual([
        readlinkSync(path),
      ]);
    } finally {
      holder.kill("SIGKILL");
    }
  });

  it("is only a working loopback interface if it is separate", async () => {
    const script = "tail -n +3 /proc/net/dev | cut -d: -f1; cat /proc/net/fib_trie";
    const lines = await taskLines(script, { network: { kind: "loopback" } });
    expect(lines[0]?.trim()).toBe("lo");
    // An interface that is down has no address.
    expect(lines.join("\n")).toContain("127.0.0.1");
  });

  it("causes an error if the namespace is invalid or gone", async () => {
    using run = new TestRun();
    const start = (path: string) => run.start({ network: { kind: "join", path } });
    await expect(start("/etc/hostname")).rejects.toMatchObject({
      message: expect.stringContaining(
        'step "join the network namespace" failed (setns /etc/hostname: EINVAL)',
      ),
      hint: "/etc/hostname is not a network namespace",
    });
    await expect(start("/run/netns/gone")).rejects.toMatchObject({
      failed: { call: "openat", path: "/run/netns/gone", errno: "ENOENT" },
    });
  });
});
