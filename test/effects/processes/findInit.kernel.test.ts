import { rmSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { findInit } from "../../../src/effects/processes/findInit.ts";
import { TestCgroup } from "../../support/host/testCgroup.ts";
import { TestRun } from "../../support/launch/launchRun.ts";

describe("a run's init", () => {
  it("is found in its cgroup by its alive FIFO, also once the FIFO has no name any more", async () => {
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
