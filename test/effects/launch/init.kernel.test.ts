/** Init, the only process that stays beside a task. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { defaultTaskOptions } from "../../../src/effects/parts.ts";
import { eventually } from "../../support/host/eventually.ts";
import { procStatus } from "../../support/host/processes.ts";
import { TestRun } from "../../support/launch/launchRun.ts";

const CAP_SYS_RESOURCE = 24n;

/**
 * Waits until init has finished its cleanup, which runs while the task already starts. The cleanup is
 * finished when the plan's second part is unmapped.
 */
async function settled(init: number): Promise<void> {
  while (readFileSync(`/proc/${init}/maps`, "utf8").includes("10010000-")) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe("a run's init", () => {
  it("has the task's name in ps, and no environment", async () => {
    using run = new TestRun();
    const { init } = await run.startScript("exec sleep 60", { initName: "exec2-init: 0123/web" });
    expect(readFileSync(`/proc/${init.pid}/cmdline`, "utf8")).toBe("exec2-init: 0123/web\0");
    expect(readFileSync(`/proc/${init.pid}/comm`, "utf8")).toBe("exec2-init\n");
    expect(readFileSync(`/proc/${init.pid}/environ`, "utf8")).toBe("");
  });

  it("has two files and its ruleset open, and no file of the task", async () => {
    using run = new TestRun();
    const { init } = await run.startScript("exec sleep 60");
    await settled(init.pid);
    const open = readdirSync(`/proc/${init.pid}/fd`).map((fd) => readlinkSync(`/proc/${init.pid}/fd/${fd}`));
    expect(open).toEqual([run.statusFile, run.aliveFifo, "anon_inode:[landlock-ruleset]"]);
    expect(readlinkSync(`/proc/${init.pid}/cwd`)).toBe("/");
  });

  it("keeps only the right to end the task's processes", async () => {
    using run = new TestRun();
    const { init } = await run.startScript("exec sleep 60");
    await eventually(() => {
      const { CapPrm, CapEff, CapInh } = procStatus(init.pid);
      const kill = (1n << 5n).toString(16).padStart(16, "0");
      expect([CapPrm, CapEff, CapInh]).toEqual([kill, kill, "0".repeat(16)]);
    });
  });

  it("uses four pages of memory, without the task's secrets", async () => {
    using run = new TestRun();
    const { init } = await run.startScript("exec sleep 60", { env: { TOKEN: "very-secret" } });
    await settled(init.pid);
    // Init shares pages with the spawner and other inits.
    const share = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${init.pid}/smaps_rollup`, "utf8"));
    expect(Number(share?.[1])).toBeLessThanOrEqual(16);
    const writable = readFileSync(`/proc/${init.pid}/maps`, "utf8")
      .split("\n")
      .filter((line) => line.includes(" rw-p "))
      .map((line) => line.split(/\s+/).at(-1) || line.split("-")[0]);
    expect(writable).toEqual(["10000000", "[stack]"]);
  });

  it("is protected from the OOM killer, if this process has CAP_SYS_RESOURCE", async () => {
    const effective = /^CapEff:\s*(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    const may = ((BigInt(`0x${effective}`) >> CAP_SYS_RESOURCE) & 1n) === 1n;
    using run = new TestRun();
    const { init, task } = await run.startScript("exec sleep 60", {
      options: { ...defaultTaskOptions(), oomScoreAdj: 200 },
    });
    const own = readFileSync("/proc/self/oom_score_adj", "utf8");
    expect(readFileSync(`/proc/${init.pid}/oom_score_adj`, "utf8")).toBe(may ? "-1000\n" : own);
    expect(readFileSync(`/proc/${task.pid}/oom_score_adj`, "utf8")).toBe("200\n");
  });

  it("ignores all signals from inside and outside except SIGKILL", async () => {
    using run = new TestRun();
    const { init, task } = await run.startScript("kill -KILL 1; kill -TERM 1; echo sent; exec sleep 60", {
      uid: 0,
      gid: 0,
    });
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE"]) process.kill(init.pid, signal);
    while (!run.output().includes("sent")) await new Promise((resolve) => setTimeout(resolve, 2));
    process.kill(task.pid, "SIGKILL");
    expect(await run.ended()).toMatchObject({ signal: 9 });
  });
});
