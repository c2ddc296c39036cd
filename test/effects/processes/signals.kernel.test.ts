import { constants } from "node:os";
import { describe, expect, it, vi } from "vitest";
import { DriverError } from "../../../src/base/errors.ts";
import * as libc from "../../../src/effects/kernel/libc.ts";
import { killInit, killTask, signalGroup } from "../../../src/effects/processes/signals.ts";
import { eventually } from "../../support/host/eventually.ts";
import { openDescriptors } from "../../support/host/processes.ts";
import { TestRun } from "../../support/launch/launchRun.ts";

vi.mock(import("../../../src/effects/kernel/libc.ts"), { spy: true });

const { SIGUSR1, SIGKILL } = constants.signals;

/** A task with a child. Both print a line for SIGUSR1. */
const answering = `
  trap 'wait; echo task; exit 4' USR1
  sh -c 'trap "echo child; exit" USR1; echo ready; sleep 60 & wait' &
  wait`;

async function untilReady(run: TestRun): Promise<void> {
  while (!run.output().includes("ready")) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe("a signal to a task", () => {
  it("reaches its whole process group, and not init", async () => {
    using run = new TestRun();
    const { task } = await run.startScript(answering);
    await untilReady(run);
    const before = openDescriptors();
    expect(signalGroup(task, SIGUSR1)).toBe(true);
    expect(openDescriptors()).toEqual(before);
    expect(await run.ended()).toMatchObject({ exitCode: 4, signal: 0 });
    expect(run.output().trim().split("\n")).toEqual(["ready", "child", "task"]);
  });

  it("reaches its whole process group on kernels before 6.9, too", async () => {
    using run = new TestRun();
    const { task } = await run.startScript(answering);
    await untilReady(run);
    vi.mocked(libc.pidfdSendSignal).mockImplementationOnce(() => {
      throw new DriverError("KERNEL_CALL_FAILED", "too old", {
        failed: { call: "pidfd_send_signal", errno: "EINVAL" },
      });
    });
    expect(signalGroup(task, SIGUSR1)).toBe(true);
    expect(await run.ended()).toMatchObject({ exitCode: 4, signal: 0 });
    expect(run.output().trim().split("\n")).toEqual(["ready", "child", "task"]);
  });

  it("is not sent to another process that now has the pid", async () => {
    using run = new TestRun();
    const { init, task } = await run.startScript("exec sleep 60");
    const older = (identity: typeof task) => ({ ...identity, startTicks: identity.startTicks - 1 });
    expect(signalGroup(older(task), SIGKILL)).toBe(false);
    expect(killTask(older(task))).toBe(false);
    expect(killInit(older(init))).toBe(false);
    expect(signalGroup(task, SIGKILL)).toBe(true);
    expect(await run.ended()).toMatchObject({ signal: SIGKILL });
  });

  it("is not an error if the task is gone", async () => {
    using run = new TestRun();
    const { init, task } = await run.start();
    await run.ended();
    expect(signalGroup(task, SIGUSR1)).toBe(false);
    expect(killTask(task)).toBe(false);
    // Init's files are closed a moment before it is gone.
    await eventually(() => expect(killInit(init)).toBe(false));
  });
});

describe("a kill", () => {
  const stubborn = "trap '' TERM INT HUP; setsid sleep 60 & echo ready; while :; do sleep 60; done";

  it("of the task ends everything in its namespace, and is recorded", async () => {
    using run = new TestRun();
    const { task } = await run.startScript(stubborn);
    await untilReady(run);
    expect(killTask(task)).toBe(true);
    expect(await run.ended()).toMatchObject({ exitCode: 0, signal: SIGKILL });
  });

  it("of init ends everything in its namespace, and nothing is recorded", async () => {
    using run = new TestRun();
    const { init } = await run.startScript(stubborn);
    await untilReady(run);
    expect(killInit(init)).toBe(true);
    expect(await run.ended()).toBeUndefined();
  });
});
