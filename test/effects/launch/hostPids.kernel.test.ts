/** Which processes end with a run in the host's pid namespace, and which do not. */
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { endCgroup } from "../../../src/effects/cgroup/cgroupEnd.ts";
import { isSameProcess } from "../../../src/effects/processes/processIdentity.ts";
import { killInit } from "../../../src/effects/processes/signals.ts";
import { eventually } from "../../support/host/eventually.ts";
import { processesNamed, procStatus } from "../../support/host/processes.ts";
import { TestCgroup } from "../../support/host/testCgroup.ts";
import { TestRun } from "../../support/launch/launchRun.ts";

let count = 0;

/** A cgroup like an agent's, and the launch input for the host's pid namespace. */
function placed() {
  const cgroup = new TestCgroup(`exec2-hostpids-${process.pid}-${count++}.scope`);
  onTestFinished(() => cgroup.remove());
  const runCgroup = { parent: cgroup.path, name: "exec2-run" };
  return { cgroup, own: `${cgroup.path}/exec2-run`, input: { cgroup: cgroup.path, runCgroup } };
}

/** A duration for sleep(1) that no other process uses. */
function uniqueSleep(): string {
  return `${process.pid}70.${count++}`;
}

/** Starts two daemons: each has its own session, and is not a child of the process that started it. */
const daemon = (mark: string) => `setsid sh -c 'setsid sleep ${mark} & setsid sleep ${mark} &'`;
/** Waits until both have executed `sleep`: a process in the middle of `execve` has an empty command line. */
const untilThere = (mark: string) =>
  `while [ $(grep -laP '^sleep\\x00${mark}\\x00$' /proc/[0-9]*/cmdline 2>&- | wc -l) -lt 2 ]; do sleep 0.01; done`;

describe("a run in the host's pid namespace", () => {
  it("has its task in the host's pid namespace, and in a cgroup of its own below the cgroup with its init", async () => {
    using run = new TestRun();
    const { cgroup, own, input } = placed();
    const { init, task } = await run.startScript("exec sleep 60", input);
    for (const { pid } of [init, task]) {
      expect(readlinkSync(`/proc/${pid}/ns/pid`)).toBe(readlinkSync("/proc/self/ns/pid"));
    }
    expect(procStatus(task.pid)).toMatchObject({ PPid: String(init.pid), NSpid: String(task.pid) });
    expect(readFileSync(`${own}/cgroup.procs`, "utf8")).toBe(`${task.pid}\n`);
    expect(readFileSync(`${cgroup.path}/cgroup.procs`, "utf8")).toBe(`${init.pid}\n`);
    expect(readFileSync(`/proc/${init.pid}/cmdline`, "utf8")).toBe("exec2-init: 01234567/test\0");
  });

  it("leaves its init only what it needs to end the run", async () => {
    using run = new TestRun();
    const { cgroup, own, input } = placed();
    const { init } = await run.startScript("exec sleep 60", input);
    const open = () =>
      readdirSync(`/proc/${init.pid}/fd`).map((fd) => readlinkSync(`/proc/${init.pid}/fd/${fd}`));
    await eventually(() =>
      expect(open()).toEqual([
        run.statusFile,
        run.aliveFifo,
        "anon_inode:[landlock-ruleset]",
        `${own}/cgroup.kill`,
        cgroup.path,
      ]),
    );
  });

  it("ends daemons, and removes its cgroup before its init ends", async () => {
    using run = new TestRun();
    const { cgroup, own, input } = placed();
    const mark = uniqueSleep();
    await run.startScript(`${daemon(mark)}; ${untilThere(mark)}; exit 7`, input);
    expect(await run.ended()).toMatchObject({ exitCode: 7 });
    expect(processesNamed(mark)).toEqual([]);
    expect(existsSync(own)).toBe(false);
    await eventually(() => expect(cgroup.isEmpty()).toBe(true));
  });

  it("reaps orphans, and still records its own end", async () => {
    using run = new TestRun();
    const { input } = placed();
    const { init } = await run.startScript("for i in 1 2 3; do sh -c 'true &'; done; read -r _", input);
    expect(await run.ended()).toMatchObject({ exitCode: 1 });
    await eventually(() => expect(isSameProcess(init)).toBe(false));
  });

  it.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"] as const)(
    "has an init that ignores %s",
    async (signal) => {
      using run = new TestRun();
      const { input } = placed();
      const { init, task } = await run.startScript("exec sleep 60", input);
      const blocked = () => procStatus(init.pid).SigBlk;
      await eventually(() => expect(blocked()).toBe("fffffffffffbfeff"));
      process.kill(init.pid, signal);
      expect(procStatus(task.pid).SigBlk).toBe("0".repeat(16));
      process.kill(task.pid, "SIGKILL");
      expect(await run.ended()).toMatchObject({ signal: 9 });
    },
  );

  it("loses its main process with its init, and the rest with its cgroup", async () => {
    using run = new TestRun();
    const { own, input } = placed();
    const mark = uniqueSleep();
    const { init, task } = await run.startScript(
      `${daemon(mark)}; ${untilThere(mark)}; echo up; exec sleep 60`,
      input,
    );
    await eventually(() => expect(run.output()).toBe("up\n"));
    killInit(init);
    expect(await run.ended()).toBeUndefined();
    await eventually(() => expect(isSameProcess(task)).toBe(false));
    expect(processesNamed(mark)).toHaveLength(2);
    expect(await endCgroup(own)).toBe(true);
    expect(processesNamed(mark)).toEqual([]);
    expect(existsSync(own)).toBe(false);
    expect(await endCgroup(own)).toBe(true);
  });

  it("ends no other processes in the task's cgroup", async () => {
    using first = new TestRun();
    using second = new TestRun();
    const { input } = placed();
    const before = await first.startScript("exec sleep 60", input);
    const after = await second.startScript("exec sleep 60", {
      ...input,
      runCgroup: { ...input.runCgroup, name: "exec2-next" },
    });
    process.kill(before.task.pid, "SIGKILL");
    expect(await first.ended()).toMatchObject({ signal: 9 });
    expect(isSameProcess(after.task)).toBe(true);
  });

  it("fails to start if its cgroup exists already, and says so", async () => {
    using first = new TestRun();
    using second = new TestRun();
    const { input } = placed();
    const { task } = await first.startScript("exec sleep 60", input);
    await expect(second.startScript("true", input)).rejects.toThrow(/make the run's cgroup.*EEXIST/);
    expect(isSameProcess(task)).toBe(true);
  });
});

describe("the end of a cgroup", () => {
  it("includes child cgroups and frozen processes", async () => {
    using run = new TestRun();
    const { cgroup, own, input } = placed();
    const { init } = await run.startScript("exec sleep 60", input);
    writeFileSync(`${own}/cgroup.freeze`, "1");
    expect(await endCgroup(dirname(own))).toBe(true);
    // A process leaves its cgroup before it has ended.
    await eventually(() => expect(isSameProcess(init)).toBe(false));
    expect(existsSync(cgroup.path)).toBe(false);
    // Makes the cgroup again, so that it can be removed after the test.
    new TestCgroup(cgroup.path.slice(cgroup.path.lastIndexOf("/") + 1));
  });
});
