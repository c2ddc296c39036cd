/** The node's figures. */
import { describe, expect, it } from "vitest";
import type { Status } from "../../src/inspector/views/answers.ts";
import { nodeView } from "../../src/inspector/views/nodeView.ts";
import { summaryOf, type TaskSummary } from "../../src/inspector/views/taskSummary.ts";
import { fold } from "../../src/machines/taskMachine.ts";
import { timesAfter } from "../../src/machines/taskOutline.ts";
import { type Life, life } from "../support/history/history.ts";
import { idOf } from "../support/screen/inspector.ts";

const now = 2_000_000_000_000;
const host = {
  kernel: "6.12.0",
  arch: "x64",
  landlockAbi: 6,
  cgroupMount: "/sys/fs/cgroup",
  cgroupControllers: ["cpu"],
  cores: 2,
};
const status: Status = { path: "/state", bundle: false, problems: [], plugins: [7, 8], ready: true };

function rowOf(number: number, name: Life, times: Partial<TaskSummary> = {}): TaskSummary {
  const id = idOf(number);
  const state = fold(life(name));
  const known = timesAfter(undefined, state.context, now, () => undefined);
  const place = { id, events: 1, seen: 1, begunAt: now - 60_000, ...known, restarts: 0 };
  return { ...summaryOf(place, state), ...times };
}

function viewOf(rows: readonly TaskSummary[], given = status) {
  const versions = new Map([[7, "0.1.0"]]);
  const book = { rows: () => [...rows], pluginVersion: (pid: number) => versions.get(pid) };
  return nodeView(book, host, given, now);
}

describe("the node", () => {
  it("has its plugins, with the versions from their events", () => {
    expect(viewOf([])).toMatchObject({
      plugins: [
        { pid: 7, version: "0.1.0" },
        { pid: 8, version: null },
      ],
      host: { landlockAbi: 6, cgroupControllers: ["cpu"] },
      outcomes: [],
      start: null,
    });
  });

  it("counts outcomes, in the order of the list, and has the duration of starts", () => {
    const rows = Array.from({ length: 100 }, (_, number) => rowOf(number, "ended", { startMs: number + 1 }));
    const { outcomes, start } = viewOf([...rows, rowOf(100, "failed")]);
    expect(outcomes).toEqual([
      { kind: "completed", tasks: 100 },
      { kind: "never started", tasks: 1 },
    ]);
    expect(start).toEqual({ starts: 100, p50: 51, p90: 91, p99: 100, max: 100 });
  });

  it("counts starts and exits in each span of time, where a failed start is neither", () => {
    const { activity } = viewOf([
      rowOf(1, "ended", { startedAt: now - 60_000, endedAt: now }),
      rowOf(2, "ended", { startedAt: now - 30_000, endedAt: null }),
      rowOf(3, "failed"),
    ]);
    expect(activity.starts).toHaveLength(60);
    expect([activity.starts[0], activity.starts[30]]).toEqual([1, 1]);
    expect(activity.exits.at(-1)).toBe(1);
    const sum = (counts: readonly number[]) => counts.reduce((total, each) => total + each, 0);
    expect([sum(activity.starts), sum(activity.exits)]).toEqual([2, 1]);
  });

  it("of a bundle shows nothing of this host, and its time span ends with the last event", () => {
    const began = now - 90 * 86_400_000;
    const row = rowOf(1, "ended", { begunAt: began, startedAt: began, endedAt: began + 5_000 });
    const { host: shownHost, activity } = viewOf([row], { ...status, bundle: true });
    expect(shownHost).toBe(null);
    expect(activity.spanMs).toBe(1_000);
    expect(activity.exits.at(-1)).toBe(1);
  });
});
