import { describe, expect, it } from "vitest";
import { wasFatal } from "../../src/driver/outOfMemory.ts";
import { messagesOfEvent } from "../../src/driver/taskMessages.ts";
import type { EventData, EventType } from "../../src/machines/events.ts";
import { fold } from "../../src/machines/fold.ts";
import { event, eventTypes } from "../support/history.ts";

const toRunning = (["requested", "fingerprinted", "sandboxed", "started"] as const).map((type) =>
  event(type),
);
const { context } = fold(toRunning);
const oom = { kills: 2, limitBytes: 32 << 20, peakBytes: 31 << 20 };
const noPeak = { kills: 1, limitBytes: null, peakBytes: null };

function told<T extends EventType>(type: T, data: Partial<EventData<T>> = {}, of = context) {
  return messagesOfEvent(event(type, data), of).map(({ message }) => message);
}

describe("what a person reads of a task", () => {
  it.each<[EventType, object, string[]]>([
    ["requested", {}, []],
    ["sandboxed", {}, ["Sandboxed with Landlock ABI 6, 1 paths unveiled"]],
    [
      "sandboxed",
      { runCgroup: "/sys/fs/cgroup/a/exec2-run" },
      ["Sandboxed with Landlock ABI 6, 1 paths unveiled, in the host's pid namespace"],
    ],
    ["started", {}, ["Process started with pid 201"]],
    ["stopTimedOut", {}, ["Killed: still running 5000 ms after signal 0"]],
    ["forceKilled", {}, []],
    ["forceKilled", { reason: "destroyRequested" }, ["Killed: it was to be destroyed"]],
    ["forceKilled", { reason: "destroyRequested", delivered: false }, []],
    ["exited", {}, []],
    ["exited", { source: "unknown" }, ["The task is gone and its exit code is unknown"]],
    ["exited", { oomKilled: true, oom }, ["Killed by the kernel: out of memory (limit 32 MiB, peak 31 MiB)"]],
    ["exited", { oomKilled: true, oom: noPeak }, ["Killed by the kernel: out of memory"]],
    ["exited", { oom: noPeak }, ["Out of memory: the kernel killed 1 of the task's processes while it ran"]],
    [
      "oomSeen",
      oom,
      [
        "Out of memory: the kernel has killed 2 processes of the task, which goes on (limit 32 MiB, peak 31 MiB)",
      ],
    ],
    ["recovered", {}, ["Taken over by plugin process 101"]],
    ["lost", {}, ["Lost: the host was rebooted"]],
    ["destroyed", {}, []],
  ])("of %s with %j is %j", (type, data, messages) => {
    expect(told(type, data)).toEqual(messages);
  });

  it("names the signal that a stop began with", () => {
    const stopping = fold([...toRunning, event("stopRequested", { signal: 15, timeoutMs: 5000 })]).context;
    expect(told("stopTimedOut", {}, stopping)).toEqual(["Killed: still running 5000 ms after SIGTERM"]);
  });

  it("tells each reason why the host cannot limit it, with the files concerned", () => {
    const missing = (file: string, reason: string) => ({ file, value: "1", applied: false, reason });
    const limits = [
      { file: "pids.max", value: "9", applied: true },
      missing("cpu.max", "no cpu"),
      missing("memory.max", "no memory"),
      missing("cpu.weight", "no cpu"),
    ];
    expect(told("sandboxed", { limits }).slice(1)).toEqual([
      "Runs without cpu.max, cpu.weight: no cpu",
      "Runs without memory.max: no memory",
    ]);
  });

  it("does not tell at the end again what was told when it happened", () => {
    const survived = fold([...toRunning, event("oomSeen", oom)]).context;
    expect(told("exited", { oom }, survived)).toEqual([]);
    expect(told("exited", { oom: { ...oom, kills: 3 } }, survived)).toHaveLength(1);
  });

  it("is whole, with annotations that are text", () => {
    for (const { message, annotations } of eventTypes.flatMap((type) =>
      messagesOfEvent(event(type), context),
    )) {
      expect(message).not.toMatch(/undefined|null|NaN/);
      for (const value of Object.values(annotations)) expect(value).toEqual(expect.any(String));
    }
  });
});

describe("a lack of memory", () => {
  const survived = { ...oom, at: 1_000_000 };

  it.each([
    ["that there was not", null, null, 1_000_000, false],
    ["of which nobody has told", oom, null, 1_000_000, true],
    ["beyond the one that was told of", { ...oom, kills: 3 }, survived, 9_000_000, true],
    ["that was told of a moment ago", oom, survived, 1_010_000, true],
    ["that was told of long ago", oom, survived, 1_010_001, false],
  ])("%s", (_, seen, told, endedAt, fatal) => {
    expect(wasFatal(seen, told, endedAt)).toBe(fatal);
  });
});
