import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { taskTrace } from "../../../src/history/traces/taskTrace.ts";
import type { TaskEvent } from "../../../src/machines/events.ts";
import { allLives, event, life, portInUse, requestWith } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

const stream = "6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20/web/0a1b2c3d";

function traceOf(events: readonly TaskEvent[]) {
  return taskTrace(stream, new RecordedLog().add(stream, [...events]).events(stream));
}

const commands = [
  event("execStarted", { exec: 1, command: "/bin/check" }),
  event("execExited", { exec: 1, exitCode: 2 }),
];

describe("a task's trace", () => {
  it("has a span for the whole task, for each state and for each command, with their events", () => {
    const begun = life("stopped");
    const events = [...begun.slice(0, 4), event("oomSeen"), ...commands, ...begun.slice(4)];
    const trace = traceOf(events);
    expect(trace?.spans.map(({ name }) => name)).toEqual([
      ...["task web", "pending", "fingerprinted", "sandboxed", "running", "stopping", "command /bin/check"],
    ]);
    const [root, ...children] = trace?.spans ?? [];
    expect(root).toMatchObject({
      parent: null,
      error: null,
      attributes: {
        "nomad.job.id": "shop",
        "nomad.task.name": "web",
        "exec2.result": "stopped",
        "process.exit.code": 0,
      },
    });
    expect(children.every(({ parent }) => parent === root?.id)).toBe(true);
    expect(children[3]?.events.map(({ name }) => name)).toContain("Out of memory");
    expect(children.at(-1)).toMatchObject({ error: "exit code 2" });
    // The states' spans follow each other without a gap, from the first event to the end.
    const states = children.slice(0, -1);
    expect(states.map(({ from }) => from).slice(1)).toEqual(states.map(({ to }) => to).slice(0, -1));
    expect([states[0]?.from, states.at(-1)?.to]).toEqual([root?.from, root?.to]);
  });

  it("has the task's errors, and does not exist while the task is running", () => {
    expect(traceOf(life("failed"))?.spans[0]).toMatchObject({ error: "LAUNCH_FAILED" });
    expect(traceOf(life("lost"))?.spans[0]?.error).not.toBeNull();
    expect(traceOf(life("ended").slice(0, 4))).toBeUndefined();
    expect(traceOf([])).toBeUndefined();
  });

  it("says by the semantic conventions which process it is about, and of which type an error is", () => {
    const rootOf = (events: readonly TaskEvent[]) => traceOf(events)?.spans[0]?.attributes ?? {};
    const ended = rootOf(life("ended"));
    expect(ended).toMatchObject({ "process.pid": 201, "process.executable.name": "python3" });
    expect(String(ended["process.executable.path"])).toMatch(/^\/.*\/python3$/);
    expect(ended).not.toHaveProperty(["error.type"]);
    const failing = (cause: typeof portInUse | null) => [
      ...life("ended").slice(0, 4),
      event("exited", { exitCode: 1, cause }),
      event("destroyed"),
    ];
    expect(rootOf(failing(null))["error.type"]).toBe("failed");
    expect(rootOf(failing(portInUse))["error.type"]).toBe("port_in_use");
    expect(rootOf(life("failed"))["error.type"]).toBe("LAUNCH_FAILED");
    const checked = traceOf([...life("ended").slice(0, 4), ...commands, ...life("ended").slice(4)]);
    expect(checked?.spans.at(-1)?.attributes).toMatchObject({
      "process.executable.name": "check",
      "process.pid": 210,
      "error.type": "2",
    });
  });

  it("is the same however often it is made, and has no argument of a command", () => {
    const secret = "correct-horse";
    const [, ...rest] = life("ended");
    const events = [requestWith({ args: ["-c", secret] }), ...rest];
    expect(traceOf(events)).toEqual(traceOf(events));
    expect(JSON.stringify(traceOf(events))).not.toContain(secret);
  });

  it("is sound for any events: ids are unique, and no span ends before it begins", () => {
    const any = fc.array(fc.constantFrom(...allLives.flatMap(life), ...commands), { maxLength: 30 });
    fc.assert(
      fc.property(fc.constantFrom(...allLives), any, (name, more) => {
        const trace = traceOf([...life(name).slice(0, 4), ...more, ...life(name).slice(4)]);
        if (trace === undefined) return;
        expect(new Set(trace.spans.map(({ id }) => id)).size).toBe(trace.spans.length);
        for (const { id, from, to } of trace.spans) {
          expect(id).toMatch(/^[0-9a-f]{16}$/);
          expect(to).toBeGreaterThanOrEqual(from);
        }
      }),
    );
  });
});
