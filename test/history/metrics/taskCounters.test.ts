import { describe, expect, it } from "vitest";
import { familyLines } from "../../../src/history/metrics/exposition.ts";
import { TaskCounters } from "../../../src/history/metrics/taskCounters.ts";
import type { TaskEvent } from "../../../src/machines/events.ts";
import { initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import { event, life, portInUse } from "../../support/history/history.ts";
import { parseScrape } from "../../support/metrics/scraped.ts";

/** The counters after these lives, each of a separate task. */
function counted(lives: readonly (readonly TaskEvent[])[], since = 0) {
  const counters = new TaskCounters(since);
  for (const [index, events] of lives.entries()) {
    let before = initialSnapshot;
    for (const each of events) {
      const { snapshot } = step(before, each);
      const { type, time } = each;
      counters.note({ id: String(index), type, time, before: before.context, after: snapshot.context });
      before = snapshot;
    }
  }
  const families = parseScrape(
    counters
      .families()
      .flatMap((family) => [...familyLines(family)])
      .join(""),
  );
  return Object.fromEntries([...families.values()].flatMap(({ series }) => [...series]));
}

describe("the counters", () => {
  it("count the ends of tasks, and have the duration of starts", () => {
    const at = (time: number, each: TaskEvent): TaskEvent => ({ ...each, time });
    const [requested, ...rest] = life("ended");
    const slow = [at(1_000, requested as TaskEvent), ...rest.map((each) => at(1_040, each))];
    const figures = counted([slow, life("killed"), life("failed"), life("lost"), life("recovered")]);
    expect(figures).toMatchObject({
      'exec2_task_ends_total{nomad_job="shop",result="completed"}': 2,
      'exec2_task_ends_total{nomad_job="shop",result="failed"}': 0,
      'exec2_task_ends_total{nomad_job="shop",result="killed"}': 1,
      'exec2_task_ends_total{nomad_job="shop",result="never started"}': 1,
      'exec2_task_ends_total{nomad_job="shop",result="lost"}': 1,
      'exec2_task_start_failures_total{code="LAUNCH_FAILED"}': 1,
      exec2_task_recoveries_total: 2,
      exec2_task_start_seconds_count: 4,
    });
    expect(figures['exec2_task_start_seconds_bucket{le="0.05"}']).toBe(4);
    expect(figures['exec2_task_start_seconds_bucket{le="0.02"}']).toBe(3);
  });

  it("exist with zero before anything happens, and those of a job from its request on", () => {
    const none = counted([]);
    expect(none).toMatchObject({
      'exec2_task_ends_total{nomad_job="",result="failed"}': 0,
      'exec2_task_failures_total{cause="port_in_use"}': 0,
      'exec2_task_start_failures_total{code="COMMAND_NOT_FOUND"}': 0,
      'exec2_denials_total{blocker="fs.read_file"}': 0,
      'exec2_denials_total{blocker="other"}': 0,
    });
    expect(counted([life("ended").slice(0, 1)])).toMatchObject({
      'exec2_task_ends_total{nomad_job="shop",result="failed"}': 0,
    });
  });

  it("have series for a limited number of jobs", () => {
    const lives = Array.from({ length: 700 }, (_, index) => [
      event("requested", { jobId: `job${index}` }),
      ...life("ended").slice(1, 5),
    ]);
    const ends = Object.entries(counted(lives)).filter(([name]) => name.startsWith("exec2_task_ends_total"));
    expect(ends.length).toBe(501 * 7);
    expect(ends.reduce((sum, [, value]) => sum + Number(value), 0)).toBe(700);
  });

  it("count the failures of each cause", () => {
    const failed = [...life("ended").slice(0, 4), event("exited", { exitCode: 1, cause: portInUse })];
    expect(counted([failed, failed, life("ended")])).toMatchObject({
      'exec2_task_failures_total{cause="port_in_use"}': 2,
      'exec2_task_failures_total{cause="denied"}': 0,
    });
  });

  it("count each killed process once, however often the kernel's count is recorded", () => {
    const oom = (kills: number) => ({ kills, limitBytes: null, peakBytes: null });
    const events = [
      ...life("ended").slice(0, 4),
      event("oomSeen", oom(1)),
      event("oomSeen", oom(3)),
      event("exited", { oom: oom(4), oomKilled: true, exitCode: 137, signal: 9 }),
    ];
    expect(counted([events])).toMatchObject({
      exec2_oom_kills_total: 4,
      'exec2_task_ends_total{nomad_job="shop",result="out of memory"}': 1,
    });
  });

  it("count recorded stalls by resource", () => {
    const events = [
      ...life("ended").slice(0, 4),
      event("stalled"),
      event("stalled", { resource: "io" }),
      event("stalled"),
    ];
    expect(counted([events])).toMatchObject({
      'exec2_task_stalls_total{resource="memory"}': 2,
      'exec2_task_stalls_total{resource="io"}': 1,
      'exec2_task_stalls_total{resource="cpu"}': 0,
    });
  });

  it("count each denied access once for each right that was missing, however often its count is recorded", () => {
    const kind = { object: "/etc/passwd", program: "/bin/cat", pid: null, firstAt: 0 };
    const denied = (read: number, write: number, others: number) =>
      event("denied", {
        refusals: [
          { ...kind, blockers: ["fs.read_file"], count: read },
          { ...kind, blockers: ["fs.write_file", "fs.truncate"], count: write },
        ],
        others,
      });
    const events = [...life("ended").slice(0, 4), denied(1, 1, 0), denied(10, 1, 5)];
    expect(counted([events, [...events, denied(10, 2, 5)]])).toMatchObject({
      'exec2_denials_total{blocker="fs.read_file"}': 20,
      'exec2_denials_total{blocker="fs.write_file"}': 3,
      'exec2_denials_total{blocker="other"}': 10,
    });
  });

  it("ignore events from before their beginning", () => {
    const ended = life("ended");
    const later = ended.at(-1)?.time ?? 0;
    expect(counted([ended], later + 1)).toMatchObject({
      'exec2_task_ends_total{nomad_job="shop",result="completed"}': 0,
      exec2_task_start_seconds_count: 0,
    });
  });
});
