/** Failed launches: each step reports its failure, and nothing is left. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { defaultTaskOptions } from "../../../src/effects/parts.ts";
import { openDescriptors, ownZombies, processesNamed } from "../../support/host/processes.ts";
import { folderOfFile } from "../../support/host/temporaryFolder.ts";
import { TestRun } from "../../support/launch/launchRun.ts";
import type { LaunchInput } from "../../support/launch/wholeLaunch.ts";

const folder = folderOfFile();
beforeAll(() => {
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, "root-only"), { mode: 0o700 });
  writeFileSync(join(folder, "no-interpreter"), "#!/no/such/interpreter\n", { mode: 0o755 });
  writeFileSync(join(folder, "no-program"), "neither a program nor a script\n", { mode: 0o755 });
  writeFileSync(join(folder, "not-executable"), "#!/bin/sh\n", { mode: 0o644 });
});

const inFolder = (name: string) => join(folder, name);

/** Name of the failing step, its call and errno; and what makes it fail. */
const failures: [string, string, string, () => Partial<LaunchInput>][] = [
  ["enter namespaces and cgroup", "openat", "ENOENT", () => ({ cgroup: "/sys/fs/cgroup/no-such" })],
  ["enter namespaces and cgroup", "clone3", "EBADF", () => ({ cgroup: folder })],
  ["open the status file", "openat", "ENOENT", () => ({ statusFile: "/no/such/folder/status" })],
  ["open the alive FIFO", "openat", "ENOENT", () => ({ aliveFifo: "/no/such/folder/alive" })],
  [
    "join the network namespace",
    "setns",
    "EINVAL",
    () => ({ network: { kind: "join", path: "/etc/hostname" } }),
  ],
  ["mount private /tmp", "open_tree", "ENOENT", () => ({ privateTmp: inFolder("missing") })],
  [
    "mount /etc/hostname",
    "move_mount",
    "EINVAL",
    () => ({ binds: [{ source: folder, target: "/etc/hostname", readOnly: true }] }),
  ],
  [
    "set oom_score_adj",
    "write",
    "EINVAL",
    () => ({ options: { ...defaultTaskOptions(), oomScoreAdj: 1001 } }),
  ],
  [
    "set RLIMIT_NOFILE",
    "prlimit64",
    "EINVAL",
    () => ({ limits: [{ resource: "RLIMIT_NOFILE", soft: 10, hard: 5 }] }),
  ],
  [
    "raise ambient capabilities",
    "prctl",
    "EINVAL",
    () => ({ capabilities: { kept: 1n << 63n, dropped: 0n } }),
  ],
  ["change to the working directory", "fchdir", "EACCES", () => ({ workDir: inFolder("root-only") })],
  ["change to the working directory", "openat2", "ENOENT", () => ({ workDir: inFolder("missing") })],
  ["execute the command", "execve", "ENOENT", () => ({ command: inFolder("missing") })],
  ["execute the command", "execve", "ENOENT", () => ({ command: inFolder("no-interpreter") })],
  ["execute the command", "execve", "ENOEXEC", () => ({ command: inFolder("no-program") })],
  ["execute the command", "execve", "EACCES", () => ({ command: inFolder("not-executable") })],
];

describe("a launch that fails", () => {
  it.each(failures)('names the step "%s" (%s: %s)', async (step, call, errno, overrides) => {
    using run = new TestRun();
    const started = run.start(overrides());
    await expect(started).rejects.toMatchObject({
      code: "LAUNCH_FAILED",
      message: expect.stringContaining(`step "${step}" failed`),
      failed: { call, errno },
    });
  });

  it("names a command that is not unveiled, and says how to unveil it", async () => {
    using run = new TestRun(["/etc"]);
    await expect(run.start({ command: "/bin/true" })).rejects.toMatchObject({
      failed: { call: "execve", path: "/bin/true", errno: "EACCES" },
      hint: expect.stringContaining('unveil "rx:/bin/true"'),
    });
  });

  it("leaves no process, no zombie and no descriptor", async () => {
    using run = new TestRun();
    const initName = `exec2-init: failure-${process.pid}`;
    await expect(run.start({ initName, command: "/missing" })).rejects.toThrow();
    const before = openDescriptors();
    for (const [, , , overrides] of failures) {
      await expect(run.start({ ...overrides(), initName })).rejects.toThrow("failed");
    }
    expect(openDescriptors()).toEqual(before);
    expect(processesNamed(initName)).toEqual([]);
    expect(ownZombies()).toEqual([]);
  });

  it("reports an invalid descriptor", async () => {
    using run = new TestRun();
    const before = openDescriptors();
    await expect(run.start({}, { stdout: 9999 })).rejects.toMatchObject({ failed: { errno: "EBADF" } });
    expect(openDescriptors()).toEqual(before);
  });

  it("reports arguments that are too long for the kernel", async () => {
    using run = new TestRun();
    await expect(run.start({ args: ["x".repeat(200_000)] })).rejects.toMatchObject({
      failed: { call: "execve", errno: "E2BIG" },
    });
  });
});
