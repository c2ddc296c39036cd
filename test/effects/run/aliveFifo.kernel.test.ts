import { rmSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { killTask } from "../../../src/effects/processes/signals.ts";
import { findInit, readExitStatus, watchExit } from "../../../src/effects/run/runFiles.ts";
import { openDescriptors } from "../../support/host/processes.ts";
import { TestCgroup } from "../../support/host/testCgroup.ts";
import { TestRun } from "../../support/launch/launchRun.ts";

/** Lets the event loop handle everything that is ready. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 20));

describe("the watch for a task's end", () => {
  it("is pending while the task runs, and resolves when init is gone", async () => {
    using run = new TestRun();
    const { task } = await run.startScript("exec sleep 60");
    let over = false;
    const watch = watchExit(run.aliveFifo);
    const ended = watch.ended.then(() => {
      over = true;
    });
    await turn();
    expect(over).toBe(false);
    expect(readExitStatus(run.statusFile)).toBeUndefined();
    killTask(task);
    await ended;
    expect(readExitStatus(run.statusFile)).toMatchObject({ signal: 9 });
  });

  it("resolves at once if init was gone before", async () => {
    using run = new TestRun();
    await run.startScript("exit 3");
    await run.ended();
    await watchExit(run.aliveFifo).ended;
    expect(readExitStatus(run.statusFile)).toMatchObject({ exitCode: 3 });
  });

  it("can be started many times, and every watch resolves", async () => {
    using run = new TestRun();
    const { task } = await run.startScript("exec sleep 60");
    const before = openDescriptors();
    const watches = Array.from({ length: 500 }, () => watchExit(run.aliveFifo));
    killTask(task);
    await Promise.all(watches.map(({ ended }) => ended));
    await turn();
    expect(openDescriptors()).toEqual(before);
  });

  it("never resolves after it is cancelled, and closes its descriptors", async () => {
    using run = new TestRun();
    const { task } = await run.startScript("exec sleep 60");
    const before = openDescriptors();
    const watch = watchExit(run.aliveFifo);
    let resolved = false;
    void watch.ended.then(() => {
      resolved = true;
    });
    watch.cancel();
    watch.cancel();
    await turn();
    expect(openDescriptors()).toEqual(before);
    killTask(task);
    await run.ended();
    await turn();
    expect(resolved).toBe(false);
  });

  it("throws an error that names the FIFO if the FIFO does not exist", () => {
    expect(() => watchExit("/no/such/fifo")).toThrow(
      expect.objectContaining({
        code: "KERNEL_CALL_FAILED",
        failed: { call: "open", path: "/no/such/fifo", errno: "ENOENT" },
      }),
    );
  });
});

describe("a run's init", () => {
  it("is found in its cgroup by its alive FIFO, even if the FIFO has no name any more", async () => {
    const cgroup = new TestCgroup(`exec2-find-init-${process.pid}.scope`);
    onTestFinished(() => cgroup.remove());
    using run = new TestRun();
    using neighbour = new TestRun();
    const { init } = await run.startScript("sleep 600", { cgroup: cgroup.path });
    await neighbour.startScript("sleep 600", { cgroup: cgroup.path });
    expect(findInit(cgroup.path, run.aliveFifo)).toEqual(init);
    rmSync(run.aliveFifo);
    expect(findInit(cgroup.path, run.aliveFifo)).toEqual(init);
    expect(findInit(cgroup.path, `${run.aliveFifo}.other`)).toBeUndefined();
    expect(findInit(`${cgroup.path}.gone`, run.aliveFifo)).toBeUndefined();
  });
});
