/** A task's outcome in a few words. */
import { describe, expect, it } from "vitest";
import { causeOf, outcomeOf } from "../../src/inspector/views/outcome.ts";
import type { TaskEvent } from "../../src/machines/events.ts";
import { fold } from "../../src/machines/taskMachine.ts";
import {
  allLives,
  event,
  type Life,
  life,
  portInUse,
  requestWith,
  sampleData,
} from "../support/history/history.ts";

const killed = {
  grade: "witnessed",
  kind: "signal",
  text: "killed by pid 4711 (systemd), user root",
  line: null,
} as const;
const full = {
  grade: "witnessed",
  kind: "memory_limit",
  text: "killed by the kernel: 64 MiB memory limit was full; raise memory or memory_max",
  line: null,
} as const;
const begun = life("ended").slice(0, 4);
const onceBegun = (...events: TaskEvent[]) => outcomeOf(fold([...begun, ...events]));

const changes: string[] = ["variable PATH is missing"];

describe("the outcome of a task", () => {
  it.each([
    ["ended", "completed", "good", "Completed"],
    ["stopped", "stopped", "calm", "Stopped as requested"],
    ["killed", "killed", "bad", "Killed: still running 5 s after SIGINT"],
    ["failed", "never started", "bad", "Never started: LAUNCH_FAILED"],
    ["recovered", "completed", "good", "Completed"],
    ["lost", "lost", "unclear", "Lost: the host was rebooted"],
  ] as const satisfies [Life, string, string, string][])("that was %s is %s", (name, kind, tone, text) => {
    expect(outcomeOf(fold(life(name)))).toEqual({ kind, tone, text });
  });

  it("has a text for every kind of life", () => {
    for (const name of allLives) expect(outcomeOf(fold(life(name))).tone).not.toBe("busy");
  });

  it.each([
    [{ exitCode: 3 }, "failed", "bad", "Failed with exit code 3"],
    [
      { exitCode: 3, changes },
      "failed",
      "bad",
      "Failed with exit code 3; since the last good run: variable PATH is missing",
    ],
    [{ exitCode: 1, cause: portInUse }, "failed", "bad", "Failed: port 80 is already in use"],
    [{ exitCode: 139, signal: 11 }, "killed", "bad", "Killed by SIGSEGV"],
    [{ exitCode: 137, signal: 9, oomKilled: true }, "out of memory", "bad", "Out of memory"],
    [{ exitCode: 137, signal: 9, cause: killed }, "killed", "bad", "Killed by pid 4711 (systemd), user root"],
    [
      { exitCode: 137, signal: 9, oomKilled: true, cause: full },
      "out of memory",
      "bad",
      "Killed by the kernel: 64 MiB memory limit was full; raise memory or memory_max",
    ],
    [{ source: "unknown" }, "lost", "unclear", "Lost: how it ended is unknown"],
  ] as const)("with the exit %j is %s", (data, kind, tone, text) => {
    expect(onceBegun(event("exited", data))).toEqual({ kind, tone, text });
  });

  it("of a task that was destroyed on request is `as requested`", () => {
    const killed = event("forceKilled", { reason: "destroyRequested" });
    const exited = event("exited", { exitCode: 137, signal: 9 });
    expect(onceBegun(event("destroyRequested"), killed, exited)).toEqual({
      kind: "stopped",
      tone: "calm",
      text: "Killed as requested",
    });
  });

  it("of a running task says what happens to it", () => {
    const busy = (text: string, kind = "running") => ({ kind, tone: "busy", text });
    expect(outcomeOf(fold(begun.slice(0, 1)))).toEqual(busy("Requested", "starting"));
    expect(onceBegun()).toEqual(busy("Running"));
    expect(onceBegun(event("recovered"))).toEqual(busy("Running, taken over once"));
    expect(onceBegun(event("recovered"), event("recovered"))).toEqual(busy("Running, taken over 2 times"));
    expect(onceBegun(event("stopRequested"))).toEqual(busy("Asked to stop with SIGINT, has 5 s", "stopping"));
    expect(onceBegun(event("destroyRequested"))).toEqual(busy("Being killed", "stopping"));
  });
});

describe("the cause of a failure", () => {
  const causeOnceBegun = (...events: TaskEvent[]) => causeOf(fold([...begun, ...events]));

  it.each([
    ["port 80 is already in use", { exitCode: 3, cause: portInUse }],
    ["exit code 3: web of shop", { exitCode: 3 }],
    ["SIGSEGV: web of shop", { exitCode: 139, signal: 11 }],
    ["out of memory: web of shop", { exitCode: 137, signal: 9, oomKilled: true }],
    ["lost: how it ended is unknown", { source: "unknown" }],
  ] as const)("is %s", (cause, data) => {
    expect(causeOnceBegun(event("exited", data))).toBe(cause);
  });

  it("is equal for runs of which only the folder, the user, a process or figures differ", () => {
    const ofRun = (text: string) => {
      return causeOnceBegun(event("exited", { exitCode: 1, cause: { ...portInUse, text } }));
    };
    const folder = `/var/lib/nomad/alloc/${sampleData("requested").allocId}`;
    const full = "no space is left on a file system that it writes to: at";
    expect(ofRun(`${full} ${folder}, 0 B of 9 GiB are free`)).toBe(`${full} …`);
    expect(ofRun(`${full} ${folder}, no file more fits`)).toBe(`${full} …`);
    expect(ofRun(`nothing at ${folder}/web/local/a.conf in its root`)).toBe(
      "nothing at …/web/local/a.conf in its root",
    );
    expect(ofRun("folder /data belongs to root, mode 0755; the task runs as uid 80001: chown it")).toBe(
      "folder /data belongs to root, mode 0755; the task runs as uid …: chown it",
    );
    expect(ofRun("killed by pid 4711 (systemd), user root")).toBe("killed by pid … (systemd), user root");
    expect(ofRun("nothing at /srv/b.conf in its root")).not.toBe(ofRun("nothing at /srv/a.conf in its root"));
  });

  it("of a failed start names the error's code and the missing path, except a path within the allocation", () => {
    const failed = (path: string) =>
      causeOf(
        fold([
          requestWith({ command: "/usr/local/bin/web" }),
          event("startFailed", { code: "COMMAND_NOT_FOUND", failed: { call: "stat", path } }),
        ]),
      );
    expect(failed("/srv/shop/web")).toBe("COMMAND_NOT_FOUND /srv/shop/web");
    const own = "/var/lib/nomad/alloc/6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20/web/local/web";
    expect(failed(own)).toBe("COMMAND_NOT_FOUND /usr/local/bin/web");
  });

  it("is null for a task that did not fail", () => {
    for (const name of ["ended", "stopped", "recovered"] as const) {
      expect(causeOf(fold(life(name)))).toBe(null);
    }
    expect(causeOnceBegun()).toBe(null);
  });
});
