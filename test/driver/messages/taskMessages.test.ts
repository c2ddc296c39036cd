import { describe, expect, it } from "vitest";
import {
  messageOfEvent,
  messageOfHistory,
  messageOfSharedUser,
} from "../../../src/driver/messages/taskMessages.ts";
import type { EventData, EventType } from "../../../src/machines/events.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { event, eventTypes } from "../../support/history/history.ts";

const missing = (file: string, reason: string) => ({ file, value: "1", applied: false, reason });

const begun = [event("requested"), event("fingerprinted"), event("sandboxed")];
const toRunning = [...begun, event("started")];
const { context } = fold(toRunning);
const oom = { kills: 2, limitBytes: 32 << 20, peakBytes: 31 << 20 };
const noPeak = { kills: 1, limitBytes: null, peakBytes: null };

function told<T extends EventType>(type: T, data: Partial<EventData<T>> = {}, of = context) {
  return messageOfEvent(event(type, data), of)?.message;
}

describe("task events of a task", () => {
  it.each<[EventType, object, string | undefined]>([
    ["requested", {}, undefined],
    ["sandboxed", {}, undefined],
    ["started", {}, undefined],
    ["startFailed", {}, undefined],
    ["stopRequested", {}, undefined],
    ["stopTimedOut", {}, "Killed: still running 5000 ms after signal 0"],
    ["forceKilled", {}, undefined],
    ["forceKilled", { reason: "destroyRequested" }, undefined],
    ["exited", {}, undefined],
    ["exited", { exitCode: 7 }, undefined],
    ["exited", { source: "unknown" }, "The task is gone and its exit code is unknown"],
    [
      "exited",
      { source: "taskFile" },
      "Exit code from the file that the Go driver wrote in the task's own folder",
    ],
    ["exited", { oomKilled: true, oom }, "Killed by the kernel: out of memory (limit 32 MiB, peak 31 MiB)"],
    ["exited", { oomKilled: true, oom: noPeak }, "Killed by the kernel: out of memory"],
    ["exited", { oom: noPeak }, "Out of memory: the kernel killed 1 of the task's processes while it ran"],
    [
      "oomSeen",
      oom,
      "Out of memory: the kernel has killed 2 processes of the task; the task keeps running (limit 32 MiB, peak 31 MiB)",
    ],
    [
      "stalled",
      { resource: "io", kind: "some", stallMs: 500, windowMs: 2_000 },
      "Stalled: some of its processes waited for I/O, together 500 ms within 2 s; the task keeps running",
    ],
    ["diskFilled", {}, "Disk limit nearly full: 272 MiB of 300 MiB in its folders local and tmp"],
    [
      "diskFilled",
      { folders: "shared", percent: 100, unit: "files", used: 1_024, limit: 1_024 },
      "Disk limit full: 1,024 of 1,024 files in the allocation's shared folder",
    ],
    ["recovered", {}, undefined],
    ["lost", {}, "Lost: the host was rebooted"],
    ["destroyed", {}, undefined],
  ])("of %s with %j is %j", (type, data, message) => {
    expect(told(type, data)).toEqual(message);
  });

  it.each([
    [{}, undefined],
    [{ reason: "taskEnded", end: null }, undefined],
    [{ end: { exitCode: 3, signal: 0 } }, "The stop command ended with exit code 3; SIGTERM is sent"],
    [{ end: { exitCode: 137, signal: 9 } }, "The stop command was killed by SIGKILL; SIGTERM is sent"],
    [
      { reason: "timedOut", end: null },
      "The stop command was killed, because it took more than 4 s; SIGTERM is sent",
    ],
    [
      { reason: "notRun", end: null, error: "LAUNCH_FAILED: fork" },
      "The stop command could not be run: LAUNCH_FAILED: fork; SIGTERM is sent",
    ],
  ] as const)("of a stop command with %j is %j", (data, message) => {
    const stopping = fold([...toRunning, event("stopRequested", { signal: 15 })]).context;
    expect(told("stopCommandEnded", data, stopping)).toBe(message);
  });

  it("name the signal that a stop began with", () => {
    const stopping = fold([...toRunning, event("stopRequested", { signal: 15, timeoutMs: 5000 })]).context;
    expect(told("stopTimedOut", {}, stopping)).toEqual("Killed: still running 5000 ms after SIGTERM");
  });

  it("have one line with the limits that the host does not enforce, and the reasons", () => {
    const limits = [
      { file: "pids.max", value: "9", applied: true },
      missing("cpu.max", "no cpu"),
      missing("memory.max", "no memory"),
      missing("cpu.weight", "no cpu"),
    ];
    const { context: limited } = fold([...begun.slice(0, 2), event("sandboxed", { limits })]);
    expect(messageOfEvent(event("started"), limited)).toEqual({
      message: "Runs without cpu.max, cpu.weight (no cpu), memory.max (no memory)",
      annotations: { not_limited: "cpu.max, memory.max, cpu.weight" },
    });
  });

  it("name all tasks that have its user", () => {
    const shared = { user: "nomad-80001", tasks: ["0a0a/web", "0b0b/db"] };
    expect(messageOfSharedUser(shared)).toEqual({
      message: "Runs as nomad-80001, the same user as other running tasks: 0a0a/web, 0b0b/db",
      annotations: { user: "nomad-80001", shared_with: "0a0a/web, 0b0b/db" },
    });
  });

  it("do not repeat at the end what was reported before", () => {
    const survived = fold([...toRunning, event("oomSeen", oom)]).context;
    expect(told("exited", { oom }, survived)).toBeUndefined();
    expect(told("exited", { oom: { ...oom, kills: 3 } }, survived)).toMatch("killed 3");
  });

  it("are complete, and their annotations are texts", () => {
    for (const { message, annotations } of eventTypes.flatMap(
      (type) => messageOfEvent(event(type), context) ?? [],
    )) {
      expect(message).not.toMatch(/undefined|null|NaN/);
      for (const value of Object.values(annotations)) expect(value).toEqual(expect.any(String));
    }
  });
});

describe("task events of a recovered task", () => {
  const adopted = [event("requested"), event("adopted")];

  it.each([
    ["that runs", toRunning, undefined],
    ["that has ended without an error", [...toRunning, event("exited")], undefined],
    [
      "with an unknown end",
      [...toRunning, event("exited", { source: "unknown" })],
      "The task is gone and its exit code is unknown",
    ],
    ["that is lost", [...toRunning, event("lost")], "Lost: the host was rebooted"],
    ["that the Go driver started", adopted, "Taken over from the Go driver, process 300"],
    ["that an earlier plugin took over from the Go driver", [...adopted, event("recovered")], undefined],
    [
      "that the Go driver started and that has ended",
      [...adopted, event("exited", { source: "taskFile" })],
      "Exit code from the file that the Go driver wrote in the task's own folder",
    ],
    [
      "that the Go driver started and that is lost",
      [...adopted, event("lost")],
      "Lost: the host was rebooted",
    ],
    ["that never started", [...begun, event("startFailed")], undefined],
  ])("%s", (_, history, message) => {
    expect(messageOfHistory(fold(history))?.message).toBe(message);
  });
});
