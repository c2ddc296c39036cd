import { describe, expect, it } from "vitest";
import type { EventType } from "../../src/machines/events.ts";
import { fold, initialSnapshot, step } from "../../src/machines/taskMachine.ts";
import { event, sampleData } from "../support/history/history.ts";

/** Folds events of these types. Returns each state with its effects. */
function walk(...types: EventType[]) {
  let snapshot = initialSnapshot;
  return types.map((type) => {
    const taken = step(snapshot, event(type));
    snapshot = taken.snapshot;
    return `${type}${taken.accepted ? "" : " (refused)"}: ${taken.to} [${taken.effects.join(" ")}]`;
  });
}

const toRunning: EventType[] = ["requested", "fingerprinted", "sandboxed", "started"];

describe("a task's course through the machine", () => {
  it("runs from the request to its end and names each effect once", () => {
    expect(walk(...toRunning, "exited", "destroyed")).toEqual([
      "requested: pending [inspectHost]",
      "fingerprinted: fingerprinted [prepareSandbox]",
      "sandboxed: sandboxed [launch]",
      "started: running [watchExit]",
      "exited: exited [releaseRun]",
      "destroyed: destroyed []",
    ]);
  });

  it("ends before the stop's timeout", () => {
    expect(walk(...toRunning, "stopRequested", "signalled", "exited").slice(4)).toEqual([
      "stopRequested: stopping [sendStopSignal startKillTimer]",
      "signalled: stopping []",
      "exited: exited [releaseRun]",
    ]);
  });

  it("runs the stop command as a part of the stop", () => {
    const ending: EventType[] = [
      "stopRequested",
      "stopCommandEnded",
      "signalled",
      "exited",
      "stopCommandEnded",
    ];
    expect(walk(...toRunning, ...ending).slice(5)).toEqual([
      "stopCommandEnded: stopping []",
      "signalled: stopping []",
      "exited: exited [releaseRun]",
      "stopCommandEnded: exited []",
    ]);
    expect(walk(...toRunning, "stopCommandEnded").at(-1)).toBe("stopCommandEnded (refused): running []");
  });

  it("stays in the same state after an OOM kill that the task survives", () => {
    expect(walk(...toRunning, "oomSeen", "stopRequested", "oomSeen", "exited", "oomSeen").slice(4)).toEqual([
      "oomSeen: running []",
      "stopRequested: stopping [sendStopSignal startKillTimer]",
      "oomSeen: stopping []",
      "exited: exited [releaseRun]",
      "oomSeen (refused): exited []",
    ]);
  });

  it("ends by a kill if the task ignores the stop", () => {
    expect(walk(...toRunning, "stopRequested", "stopTimedOut", "forceKilled", "exited").slice(5)).toEqual([
      "stopTimedOut: killing [killRun]",
      "forceKilled: killing []",
      "exited: exited [releaseRun]",
    ]);
  });

  it("sends the signal again and restarts the timer for a repeated stop request", () => {
    expect(walk(...toRunning, "stopRequested", "stopRequested").at(-1)).toBe(
      "stopRequested: stopping [sendStopSignal startKillTimer]",
    );
  });

  it("kills at once if the task is destroyed by force", () => {
    expect(walk(...toRunning, "destroyRequested").at(-1)).toBe("destroyRequested: killing [killRun]");
  });

  it("is watched again by every plugin process that recovers it", () => {
    expect(walk(...toRunning, "recovered", "recovered", "exited").slice(4)).toEqual([
      "recovered: recovered [watchExit]",
      "recovered: recovered [watchExit]",
      "exited: exited [releaseRun]",
    ]);
  });

  it("begins in the state in which another driver left the task", () => {
    expect(walk("requested", "adopted", "recovered", "stopRequested").slice(1)).toEqual([
      "adopted: running [watchExit]",
      "recovered: recovered [watchExit]",
      "stopRequested: stopping [sendStopSignal startKillTimer]",
    ]);
    expect(walk(...toRunning, "adopted").at(-1)).toBe("adopted (refused): running []");
    const { context } = fold([event("requested"), event("adopted")]);
    expect(context.process).toMatchObject({ init: { pid: 301 }, task: { pid: 302 } });
    expect(context.startedAt).toBe(1_699_999_000_000);
  });

  it("forgets a stop, because the next plugin process does not know it", () => {
    const snapshot = fold(
      [...toRunning, "stopRequested" as const, "recovered" as const].map((t) => event(t)),
    );
    expect(snapshot.value).toBe("recovered");
    expect(snapshot.context).toMatchObject({ stop: null, recoveries: 1 });
  });

  it.each([1, 2, 3])("can fail at each step before it runs (after %i events)", (count) => {
    expect(walk(...toRunning.slice(0, count), "startFailed").at(-1)).toBe("startFailed: failed [releaseRun]");
  });

  it("begins again for a repeated request after a failed start, and forgets the first attempt", () => {
    const attempt: EventType[] = ["requested", "fingerprinted", "sandboxed"];
    expect(walk(...attempt, "startFailed", "requested", "fingerprinted").slice(4)).toEqual([
      "requested: pending [inspectHost]",
      "fingerprinted: fingerprinted [prepareSandbox]",
    ]);
    const again = fold([...attempt, "startFailed" as const, "requested" as const].map((type) => event(type)));
    expect(again.context).toEqual({ ...initialSnapshot.context, request: sampleData("requested") });
  });

  it("can be lost while it lives, and only then", () => {
    expect(walk(...toRunning, "lost").at(-1)).toBe("lost: lost [releaseRun]");
    expect(walk(...toRunning, "exited", "lost").at(-1)).toBe("lost (refused): exited []");
  });
});

describe("the machine refuses", () => {
  it.each<[EventType, EventType[]]>([
    ["started", ["requested", "fingerprinted"]],
    ["exited", ["requested", "fingerprinted", "sandboxed"]],
    ["startFailed", toRunning],
    ["stopRequested", [...toRunning, "exited"]],
    ["destroyed", toRunning],
    ["exited", [...toRunning, "exited"]],
    ["recovered", [...toRunning, "exited"]],
    ["requested", toRunning],
    ["requested", [...toRunning, "exited"]],
  ])("%s after %j", (type, before) => {
    const last = walk(...before, type).at(-1);
    expect(last).toContain("(refused)");
    expect(last).toContain("[]");
  });
});

describe("the machine's context", () => {
  it("keeps the facts that a reader needs, and the task's own times", () => {
    const started = event("started");
    const snapshot = fold([
      event("requested"),
      event("fingerprinted"),
      event("sandboxed"),
      started,
      event("signalled", { delivered: true }),
      event("signalled", { delivered: false }),
      event("exited", { exitCode: 139, signal: 11 }),
    ]);
    expect(snapshot.context).toMatchObject({
      request: { taskName: "web" },
      host: { landlockAbi: 6 },
      sandbox: { uid: 80001 },
      process: { init: { pid: 200 } },
      startedAt: started.time,
      signals: 1,
      exit: { exitCode: 139, signal: 11 },
    });
  });

  it("distinguishes a kill that reached its target from one that came too late", () => {
    const killed = [...toRunning, "destroyRequested" as const].map((type) => event(type));
    expect(fold([...killed, event("forceKilled", { delivered: true })]).context.forceKilled).toBe(true);
    expect(fold([...killed, event("forceKilled", { delivered: false })]).context.forceKilled).toBe(false);
  });
});
