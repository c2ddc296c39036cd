import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { toTaskId } from "../../../src/base/taskId.ts";
import { settleStart } from "../../../src/driver/recovery/unansweredStart.ts";
import { PendingLaunch } from "../../../src/effects/launch/launcher.ts";
import {
  bootId,
  isSameProcess,
  type ProcessIdentity,
} from "../../../src/effects/processes/processIdentity.ts";
import { killTask } from "../../../src/effects/processes/signals.ts";
import { readRecordedTask } from "../../../src/effects/run/runFiles.ts";
import type { EventData } from "../../../src/machines/events.ts";
import { fold, type TaskSnapshot } from "../../../src/machines/taskMachine.ts";
import { endingServices } from "../../support/history/endingServices.ts";
import { event, sampleData } from "../../support/history/history.ts";
import { memoryEventStore } from "../../support/history/memoryEventStore.ts";
import { eventually } from "../../support/host/eventually.ts";
import { TestCgroup } from "../../support/host/testCgroup.ts";
import { TestRun } from "../../support/launch/launchRun.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

vi.mock("../../../src/effects/run/runFiles.ts", async (original) => {
  const real = await original<typeof import("../../../src/effects/run/runFiles.ts")>();
  return { ...real, readRecordedTask: vi.fn(real.readRecordedTask) };
});

vi.mock("../../../src/effects/processes/processIdentity.ts", async (original) => {
  const real = await original<typeof import("../../../src/effects/processes/processIdentity.ts")>();
  return { ...real, isSameProcess: vi.fn(real.isSameProcess) };
});

const taskId = toTaskId("alloc/web/00000001");
const fixture = new URL("../../fixtures/launchAndHang.ts", import.meta.url).pathname;

function setUp() {
  const cgroup = new TestCgroup(
    `exec2-unanswered-${process.pid}-${Math.random().toString(36).slice(2)}.scope`,
  );
  onTestFinished(() => cgroup.remove());
  const run = new TestRun();
  onTestFinished(() => run[Symbol.dispose]());
  const services = { log: recordingLogger(), ...endingServices(memoryEventStore()) };
  return { cgroup, run, services };
}

/** The events of a start that were committed before the plugin died. */
function sandboxed(run: TestRun, cgroup: TestCgroup, init: EventData<"sandboxed">["init"]): TaskSnapshot {
  const resources = { ...sampleData("requested").resources, cgroup: cgroup.path };
  return fold([
    event("requested", { resources }),
    event("fingerprinted", { bootId: bootId() }),
    event("sandboxed", { runFolder: run.folder, init }),
  ]);
}

/** A launch that waits for the go-ahead. */
async function held(run: TestRun, cgroup: TestCgroup, script: string) {
  const plan = run.plan({ command: "/bin/sh", args: ["-c", script], cgroup: cgroup.path });
  const launch = new PendingLaunch(plan, run.descriptors);
  launch.load(plan);
  return { launch, init: await launch.init() };
}

/** Waits for init's end, because a process closes its files and leaves its cgroup before it has ended. */
function over(init: ProcessIdentity): Promise<void> {
  return eventually(() => expect(isSameProcess(init)).toBe(false));
}

describe("the outcome of a start that was never answered", () => {
  it("is a running task with its true identity if its init got the go-ahead", async () => {
    const { cgroup, run, services } = setUp();
    const { launch, init } = await held(run, cgroup, "exec sleep 600");
    const { task } = await launch.release();
    onTestFinished(() => void killTask(task));
    const { snapshot, events } = await settleStart(taskId, sandboxed(run, cgroup, init), services);
    expect(snapshot.value).toBe("running");
    expect(events).toMatchObject([{ type: "started", data: { init, task, bootId: bootId() } }]);
    expect(Math.abs((snapshot.context.startedAt ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(isSameProcess(task)).toBe(true);
  });

  it("is a task that is over, with its true exit code", async () => {
    const { cgroup, run, services } = setUp();
    const { launch, init } = await held(run, cgroup, "exit 6");
    await launch.release();
    await over(init);
    const { snapshot, events } = await settleStart(taskId, sandboxed(run, cgroup, init), services);
    expect(events.map(({ type }) => type)).toEqual(["started", "exited"]);
    expect(snapshot.context.exit).toMatchObject({ exitCode: 6, signal: 0, source: "status" });
    expect(cgroup.isEmpty()).toBe(true);
  });

  it("is a task that has run if it recorded itself after the first look, while its init was killed", async () => {
    const { cgroup, run, services } = setUp();
    const { launch, init } = await held(run, cgroup, "exec sleep 600");
    const { task } = await launch.release();
    vi.mocked(readRecordedTask).mockReturnValueOnce(undefined);
    // As it is for a moment after the last process has left the cgroup.
    const looks = vi.mocked(isSameProcess).mockReturnValue(true);
    onTestFinished(() => void looks.mockReset());
    const { snapshot, events } = await settleStart(taskId, sandboxed(run, cgroup, init), services);
    expect(events).toMatchObject([{ type: "started", data: { init, task } }, { type: "exited" }]);
    expect(snapshot.context.exit).toMatchObject({ exitCode: 137, signal: 9 });
    expect(cgroup.isEmpty()).toBe(true);
  });

  it.each([
    ["init waits for the rest of the plan", () => {}],
    ["the task's process waits", (launch: PendingLaunch) => launch.complete()],
  ])("is no task if it never got the go-ahead: while %s, nothing of the task has run", async (_, letGoOn) => {
    const { cgroup, run, services } = setUp();
    const { launch, init } = await held(run, cgroup, "exec sleep 600");
    letGoOn(launch);
    const { events } = await settleStart(taskId, sandboxed(run, cgroup, init), services);
    expect(events).toMatchObject([
      { type: "startFailed", data: { code: "PLUGIN_FAILED", recoverable: true } },
    ]);
    await over(init);
    expect(cgroup.isEmpty()).toBe(true);
    expect(existsSync(run.folder)).toBe(false);
    await launch.abandon();
  });

  it("is a task with an unknown end if its init was killed", async () => {
    const { cgroup, run, services } = setUp();
    const { launch, init } = await held(run, cgroup, "exec sleep 600");
    await launch.release();
    process.kill(init.pid, "SIGKILL");
    await over(init);
    const { snapshot } = await settleStart(taskId, sandboxed(run, cgroup, init), services);
    expect(snapshot.context.exit).toMatchObject({ exitCode: -1, source: "unknown" });
  });

  it("is no task if the start was in an earlier boot", async () => {
    const { cgroup, run, services } = setUp();
    const before = fold([
      event("requested"),
      event("fingerprinted", { bootId: "another" }),
      event("sandboxed", { runFolder: run.folder, init: { pid: process.pid, startTicks: 1 } }),
    ]);
    const { events } = await settleStart(taskId, before, services);
    expect(events.map(({ type }) => type)).toEqual(["startFailed"]);
    expect(cgroup.isEmpty()).toBe(true);
  });
});

describe("a run whose plugin dies directly after the go-ahead", () => {
  it("still becomes the task: a report without a reader does not end the run", async () => {
    using run = new TestRun();
    const plugin = spawn(process.execPath, [fixture, run.folder, "echo ran; exit 4", "", "dies"]);
    const [[init]] = await Promise.all([once(plugin.stdout, "data"), once(plugin, "exit")]);
    process.kill(Number(init), "SIGCONT");
    expect(await run.ended()).toMatchObject({ exitCode: 4, signal: 0 });
    expect(run.output()).toBe("ran\n");
    expect(readRecordedTask(run.statusFile)).toBeDefined();
  });
});
