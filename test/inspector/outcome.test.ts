/** How a task stands, in a few words. */
import { describe, expect, it } from "vitest";
import { outcomeOf } from "../../src/inspector/views/outcome.ts";
import type { TaskEvent } from "../../src/machines/events.ts";
import { fold } from "../../src/machines/fold.ts";
import { allLives, type Life, life } from "../support/agent/lives.ts";
import { event } from "../support/history/history.ts";

const begun = life("ended").slice(0, 4);
const onceBegun = (...events: TaskEvent[]) => outcomeOf(fold([...begun, ...events]));

describe("the outcome of a task", () => {
  it.each([
    ["ended", "good", "Completed"],
    ["stopped", "good", "Stopped as requested"],
    ["killed", "bad", "Killed: still running 5 s after SIGINT"],
    ["failed", "bad", "Never started: LAUNCH_FAILED"],
    ["recovered", "good", "Completed"],
    ["lost", "bad", "Lost: the host was rebooted"],
  ] as const satisfies [Life, string, string][])("that was %s is %s", (name, tone, text) => {
    expect(outcomeOf(fold(life(name)))).toEqual({ tone, text });
  });

  it("is told of every life", () => {
    for (const name of allLives) expect(outcomeOf(fold(life(name))).tone).not.toBe("busy");
  });

  it.each([
    [{ exitCode: 3 }, "bad", "Failed with exit code 3"],
    [{ exitCode: 139, signal: 11 }, "bad", "Killed by SIGSEGV"],
    [{ exitCode: 137, signal: 9, oomKilled: true }, "bad", "Out of memory"],
    [{ source: "unknown" }, "bad", "Ended, but how is unknown"],
  ] as const)("with the exit %j is %s", (data, tone, text) => {
    expect(onceBegun(event("exited", data))).toEqual({ tone, text });
  });

  it("of one that was to be destroyed is as requested", () => {
    const killed = event("forceKilled", { reason: "destroyRequested" });
    const exited = event("exited", { exitCode: 137, signal: 9 });
    expect(onceBegun(event("destroyRequested"), killed, exited)).toEqual({
      tone: "good",
      text: "Killed as requested",
    });
  });

  it("says of one that lives what is done with it", () => {
    const busy = (text: string) => ({ tone: "busy", text });
    expect(outcomeOf(fold(begun.slice(0, 1)))).toEqual(busy("Requested"));
    expect(onceBegun()).toEqual(busy("Running"));
    expect(onceBegun(event("recovered"))).toEqual(busy("Running, taken over once"));
    expect(onceBegun(event("recovered"), event("recovered"))).toEqual(busy("Running, taken over 2 times"));
    expect(onceBegun(event("stopRequested"))).toEqual(busy("Asked to stop with SIGINT, has 5 s"));
    expect(onceBegun(event("destroyRequested"))).toEqual(busy("Being killed"));
  });
});
