import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { watchExit } from "../../../src/effects/processes/exitWatch.ts";
import { killTask } from "../../../src/effects/processes/signals.ts";
import { readExitStatus } from "../../../src/effects/processes/statusFile.ts";
import { openDescriptors } from "../../support/host/processes.ts";
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

  it("resolves at once where init was gone before", async () => {
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
    let told = false;
    void watch.ended.then(() => {
      told = true;
    });
    watch.cancel();
    watch.cancel();
    await turn();
    expect(openDescriptors()).toEqual(before);
    killTask(task);
    await run.ended();
    await turn();
    expect(told).toBe(false);
  });

  it("says so where there is no FIFO", () => {
    expect(() => watchExit("/no/such/fifo")).toThrow(
      expect.objectContaining({
        code: "KERNEL_CALL_FAILED",
        failed: { call: "open", path: "/no/such/fifo", errno: "ENOENT" },
      }),
    );
  });
});

describe("a recorded status", () => {
  it.each([
    [0x0000, { exitCode: 0, signal: 0 }],
    [0x0700, { exitCode: 7, signal: 0 }],
    [0xff00, { exitCode: 255, signal: 0 }],
    [0x0009, { exitCode: 0, signal: 9 }],
    [0x008b, { exitCode: 0, signal: 11 }],
  ])("0x%s is decoded", (raw, expected) => {
    using run = new TestRun();
    const file = join(run.folder, "by-hand");
    writeFileSync(file, new Uint8Array(new Int32Array([raw]).buffer));
    expect(readExitStatus(file)).toMatchObject(expected);
  });

  it("is undefined if the file is empty or missing, and an error if the file cannot be read", () => {
    using run = new TestRun();
    writeFileSync(join(run.folder, "empty"), "");
    expect(readExitStatus(join(run.folder, "empty"))).toBeUndefined();
    expect(readExitStatus(join(run.folder, "missing"))).toBeUndefined();
    expect(() => readExitStatus(run.folder)).toThrow(expect.objectContaining({ code: "KERNEL_CALL_FAILED" }));
  });
});
