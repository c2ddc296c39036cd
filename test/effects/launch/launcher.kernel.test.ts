/** The launcher: many launches at once, launches without executable memfds, and the launcher's death. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Launched, PendingLaunch } from "../../../src/effects/launch/launcher.ts";
import { isSameProcess, livingStat, readStat } from "../../../src/effects/processes/processIdentity.ts";
import { readRecordedTask } from "../../../src/effects/run/runFiles.ts";
import { openDescriptors, ownZombies, processesNamed } from "../../support/host/processes.ts";
import { TestRun } from "../../support/launch/launchRun.ts";

const fixture = new URL("../../fixtures/launchAndHang.ts", import.meta.url).pathname;

/**
 * Starts the fixture through a command that executes its own arguments: Node, the fixture, and `args`.
 * Resolves once the fixture has launched its task.
 */
async function launchElsewhere(
  command: readonly string[],
  args: readonly string[],
): Promise<[ChildProcess, Launched]> {
  const [file, ...before] = [...command, process.execPath, fixture, ...args] as [string, ...string[]];
  const child = spawn(file, before, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(child.stdout, "data");
  return [child, JSON.parse(String(line)) as Launched];
}

describe("the launcher", () => {
  it("starts 200 tasks at once and leaves no process, zombie or descriptor of them", async () => {
    const initName = `exec2-init: many-${process.pid}`;
    const round = async (count: number) => {
      const runs = Array.from({ length: count }, () => new TestRun());
      try {
        await Promise.all(runs.map((run, n) => run.startScript(`echo ${n}; exit ${n}`, { initName })));
        const statuses = await Promise.all(runs.map((run) => run.ended()));
        expect(statuses.map((status) => status?.exitCode)).toEqual(runs.map((_, n) => n));
        expect(runs.map((run) => run.output())).toEqual(runs.map((_, n) => `${n}\n`));
      } finally {
        for (const run of runs) run[Symbol.dispose]();
      }
    };
    await round(1);
    const before = openDescriptors();
    await round(200);
    expect(openDescriptors()).toEqual(before);
    expect(ownZombies()).toEqual([]);
    expect(processesNamed(initName)).toEqual([]);
  });

  it("returns the identities of a task that ends immediately", async () => {
    for (let n = 0; n < 20; n++) {
      using run = new TestRun();
      const { init, task } = await run.start({ command: "/bin/true" });
      expect(task.pid).not.toBe(init.pid);
      expect(task.startTicks).toBeGreaterThanOrEqual(init.startTicks);
      await run.ended();
    }
  });

  it("may be killed after the launch: the task goes on and its end is recorded", async () => {
    using run = new TestRun();
    // The task waits for a file in this folder.
    chmodSync(run.folder, 0o711);
    const go = join(run.folder, "go");
    const script = `while [ ! -e ${go} ]; do sleep 0.01; done; echo done; exit 5`;
    const [launcher, launched] = await launchElsewhere([], [run.folder, script]);
    launcher.kill("SIGKILL");
    await once(launcher, "exit");
    expect(isSameProcess(launched.init)).toBe(true);
    expect(isSameProcess(launched.task)).toBe(true);
    writeFileSync(go, "");
    expect(await run.ended()).toMatchObject({ exitCode: 5, signal: 0 });
    expect(run.output()).toBe("done\n");
  });

  it("uses a file instead of a memfd if the host does not execute memfds", async () => {
    using run = new TestRun();
    const runnerFolder = join(run.folder, "runner");
    mkdirSync(runnerFolder, { mode: 0o700 });
    // The setting belongs to a new pid namespace, so it affects only the processes in it.
    const forbid = 'mount -t proc proc /proc; echo 2 > /proc/sys/vm/memfd_noexec; exec "$@"';
    const inNamespace = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "sh", "-c", forbid, "sh"];
    const [launcher] = await launchElsewhere(inNamespace, [
      run.folder,
      "echo ran; exec sleep 60",
      runnerFolder,
    ]);
    const [init] = processesNamed(`exec2-init: ${run.folder}`);
    expect(readlinkSync(`/proc/${init}/exe`)).toBe(join(runnerFolder, "exec2-init"));
    expect(statSync(join(runnerFolder, "exec2-init")).mode & 0o777).toBe(0o500);
    await expect.poll(() => run.output()).toBe("ran\n");
    launcher.kill("SIGKILL");
    await run.ended();
  });
});

describe("a launch that waits for its go-ahead", () => {
  it("has a waiting init, and no task, until the go-ahead", async () => {
    using run = new TestRun();
    const plan = run.plan({ initName: `exec2-init: ${run.folder}`, command: "/bin/echo", args: ["ran"] });
    const held = new PendingLaunch(plan, run.descriptors);
    await expect.poll(() => processesNamed(plan.initName)).toHaveLength(1);
    held.load(plan);
    expect(run.output()).toBe("");
    await held.release();
    expect(await run.ended()).toMatchObject({ exitCode: 0 });
    expect(run.output()).toBe("ran\n");
  });

  it("has a task that has restricted itself and waits, once its plan is complete", async () => {
    using run = new TestRun();
    const limits = [{ resource: "RLIMIT_FSIZE", soft: 0, hard: 0 }] as const;
    const plan = run.plan({
      initName: `exec2-init: ${run.folder}`,
      command: "/bin/true",
      limits,
    });
    const held = new PendingLaunch(plan, run.descriptors);
    held.load(plan);
    const init = await held.init();
    held.complete();
    await expect.poll(() => processesNamed(plan.initName)).toHaveLength(2);
    const task = processesNamed(plan.initName).find((pid) => pid !== init.pid) as number;
    const status = () => readFileSync(`/proc/${task}/status`, "utf8");
    await expect.poll(status).toMatch(/^NoNewPrivs:\t1$/m);
    await expect.poll(() => readStat(task)?.state).toBe("S");
    expect(readRecordedTask(run.statusFile)).toBeUndefined();
    const launched = await held.release();
    expect(launched.task.pid).toBe(task);
    // The limit on the size of files has not kept the release from being recorded.
    expect(await run.ended()).toMatchObject({ exitCode: 0, signal: 0 });
    expect(readRecordedTask(run.statusFile)).toEqual(launched.task);
  });

  it.each([
    ["init", () => {}],
    ["the task's process", (held: PendingLaunch) => held.complete()],
  ])(
    "leaves no process, zombie or descriptor after one or several calls of abandon while %s waits",
    async (_, proceed) => {
      using run = new TestRun();
      const plan = run.plan({ initName: `exec2-init: ${run.folder}`, command: "/bin/echo", args: ["ran"] });
      const before = openDescriptors();
      const held = new PendingLaunch(plan, run.descriptors);
      held.load(plan);
      proceed(held);
      await Promise.all([held.abandon(), held.abandon()]);
      expect(processesNamed(plan.initName)).toEqual([]);
      expect(ownZombies()).toEqual([]);
      expect(openDescriptors()).toEqual(before);
      expect(run.output()).toBe("");
    },
  );

  it.each(["held", "complete"])("ends with the process that began it: %s", async (how) => {
    using run = new TestRun();
    const initName = `exec2-init: ${run.folder}`;
    const child = spawn(process.execPath, [fixture, run.folder, "echo ran", "", how], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await expect.poll(() => processesNamed(initName)).toHaveLength(how === "held" ? 1 : 2);
    child.kill("SIGKILL");
    await run.ended();
    await expect.poll(() => processesNamed(initName)).toEqual([]);
    expect(run.output()).toBe("");
  });

  it("reports a failure of init after the go-ahead", async () => {
    using run = new TestRun();
    const plan = run.plan({ initName: `exec2-init: ${run.folder}`, privateTmp: "/nowhere" });
    const held = new PendingLaunch(plan, run.descriptors);
    await expect.poll(() => processesNamed(plan.initName)).toEqual([]);
    held.load(plan);
    await expect(held.release()).rejects.toThrow(/step "mount private \/tmp" failed.*ENOENT/s);
  });
});

describe("the spawner", () => {
  it("is one process for all launches of the plugin, and is replaced if it is killed", async () => {
    using run = new TestRun();
    await run.startScript("true");
    await run.ended();
    const [spawner, ...others] = childrenNamed("exec2-spawner");
    expect(others).toEqual([]);
    process.kill(spawner as number, "SIGKILL");
    await expect.poll(() => readStat(spawner as number)?.state).toBe("Z");
    await run.startScript("echo ran");
    expect(await run.ended()).toMatchObject({ exitCode: 0 });
    expect(run.output()).toBe("ran\n");
    expect(childrenNamed("exec2-spawner")).toHaveLength(1);
    expect(childrenNamed("exec2-spawner")).not.toContain(spawner);
    expect(ownZombies()).toEqual([]);
  });

  it("ends with the plugin", async () => {
    using run = new TestRun();
    const [launcher] = await launchElsewhere([], [run.folder, "exit 0"]);
    const [spawner] = childrenNamed("exec2-spawner", launcher.pid);
    expect(livingStat(spawner as number)).toBeDefined();
    launcher.kill("SIGKILL");
    await expect.poll(() => livingStat(spawner as number)).toBeUndefined();
  });

  it("keeps nothing of a launch open", async () => {
    using run = new TestRun();
    await run.startScript("true");
    await run.ended();
    const [spawner] = childrenNamed("exec2-spawner");
    await expect.poll(() => readdirSync(`/proc/${spawner}/fd`).sort()).toEqual(["0", "1", "2", "3"]);
  });
});

/** Children of a process, by the name that process lists show in brackets: proc_pid_comm(5). */
function childrenNamed(name: string, parent = process.pid): number[] {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8");
  return children
    .split(" ")
    .filter(Boolean)
    .map(Number)
    .filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8") === `${name}\n`);
}
