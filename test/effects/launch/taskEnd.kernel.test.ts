/** A task's end is recorded by init, and leaves no process. */
import { closeSync, createReadStream, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { pipe2 } from "../../../src/effects/kernel/libc.ts";
import { isSameProcess } from "../../../src/effects/processes/processIdentity.ts";
import { killInit, killTask } from "../../../src/effects/processes/signals.ts";
import { processesNamed } from "../../support/host/processes.ts";
import { TestRun } from "../../support/launch/launchRun.ts";

describe("the end of a task", () => {
  it.each([0, 7, 255])("is recorded with exit code %i", async (code) => {
    using run = new TestRun();
    const before = Date.now();
    await run.startScript(`exit ${code}`);
    const status = await run.ended();
    expect(status).toMatchObject({ exitCode: code, signal: 0 });
    // The file system's clock may be one tick behind.
    expect(status?.endedAtMs).toBeGreaterThan(before - 20);
    expect(status?.endedAtMs).toBeLessThanOrEqual(Date.now());
  });

  it.each([
    ["SEGV", 11],
    ["TERM", 15],
    ["KILL", 9],
  ])("is recorded with SIG%s", async (name, signal) => {
    using run = new TestRun();
    await run.startScript(`kill -${name} $$; sleep 60`);
    expect(await run.ended()).toMatchObject({ exitCode: 0, signal });
  });

  it("ends background processes at any depth, before init ends", async () => {
    using run = new TestRun();
    const mark = `${process.pid}60.5`;
    const script = `setsid sh -c 'sleep ${mark} & (sleep ${mark} & wait) & wait' & while [ $(ls -d /proc/[0-9]* | wc -l) -lt 7 ]; do :; done`;
    await run.startScript(script);
    expect(await run.ended()).toMatchObject({ exitCode: 0, leftProcesses: true });
    expect(processesNamed(mark)).toEqual([]);
  });

  it("is recorded although orphans, which init reaps, end before the task", async () => {
    using run = new TestRun();
    // A zombie would make the loop wait for ever.
    const untilAlone = "while set -- /proc/[0-9]*; [ $# -gt 2 ]; do :; done";
    await run.startScript(`for i in 1 2 3; do sh -c 'true &'; done; ${untilAlone}; exit 3`);
    expect(await run.ended()).toMatchObject({ exitCode: 3, leftProcesses: false });
  });

  it("says that processes were left only if some still ran, and not for those that the task has not waited for", async () => {
    const left = async (script: string) => {
      using run = new TestRun();
      await run.startScript(script);
      return (await run.ended())?.leftProcesses;
    };
    expect(await left("setsid sleep 600 & exit 0")).toBe(true);
    expect(await left("sleep 600 & kill -KILL $$")).toBe(true);
    // It does not wait for its child, which is a zombie when it ends.
    const untilZombie = 'do { open my $stat, "<", "/proc/$child/stat"; $_ = <$stat> } until / Z /';
    expect(await left(`exec perl -e '$child = fork() || exit 4; ${untilZombie}; exit 0'`)).toBe(false);
    expect(await left("exit 0")).toBe(false);
  });

  it("closes its output although init still lives", async () => {
    using run = new TestRun();
    const pipe = pipe2();
    const { init } = await run.startScript("echo all; exec >&-; exec sleep 60", {}, { stdout: pipe.write });
    closeSync(pipe.write);
    const chunks = await createReadStream("", { fd: pipe.read }).toArray();
    expect(Buffer.concat(chunks).toString()).toBe("all\n");
    expect(isSameProcess(init)).toBe(true);
    killInit(init);
    expect(await run.ended()).toBeUndefined();
  });

  it("is the end of both processes that the launch returned", async () => {
    using run = new TestRun();
    const { init, task } = await run.startScript("exec sleep 60");
    expect(isSameProcess(init)).toBe(true);
    expect(isSameProcess(task)).toBe(true);
    const children = readFileSync(`/proc/${init.pid}/task/${init.pid}/children`, "utf8").trim();
    expect(children).toBe(String(task.pid));
    expect(killTask(task)).toBe(true);
    expect(await run.ended()).toMatchObject({ signal: 9 });
    expect(isSameProcess(task)).toBe(false);
  });
});
