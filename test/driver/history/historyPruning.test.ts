import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HistoryPruner } from "../../../src/driver/history/historyPruning.ts";
import type { HistoryBounds } from "../../../src/driver/options/historyBounds.ts";
import type { EventToAppend } from "../../../src/store/eventStore.ts";
import { memoryEventStore } from "../../support/history/memoryEventStore.ts";
import { eventually } from "../../support/host/eventually.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const hour = 3_600_000;
const now = 1_000 * hour;
const bounds: HistoryBounds = { keepMs: 168 * hour, maxBytes: 1 << 30 };

function setUp(differing: Partial<HistoryBounds> = {}) {
  const store = memoryEventStore();
  const log = recordingLogger();
  const held = new Set<string>();
  const archived = new Set<string>();
  const filesRemoved: string[] = [];
  const pruner = new HistoryPruner({
    store,
    log,
    now: () => now,
    bounds: () => ({ ...bounds, ...differing }),
    isHeld: (taskId) => held.has(taskId),
    archived: () => archived,
    removeFiles: (taskId) => filesRemoved.push(taskId),
  });
  /** Stores the events of a task. The last event leads to the state `to` and is `hoursAgo` hours old. */
  const life = (stream: string, to: string, hoursAgo: number, data: object = {}) =>
    store.append(stream, 0, [event("pending", hoursAgo + 1, data), event(to, hoursAgo)]);
  const pass = async () => {
    pruner.wake();
    await vi.advanceTimersByTimeAsync(hour);
    for (let turn = 0; turn < 300; turn++) await setImmediate();
    await pruner.close();
    return Array.from(store.streams(), ({ stream }) => stream);
  };
  return { store, log, held, archived, filesRemoved, pruner, life, pass };
}

function event(to: string, hoursAgo: number, data: object = {}): EventToAppend {
  return { type: "x", schema: 1, time: now - hoursAgo * hour, data, from: "pending", to, effects: [] };
}

/** Stores the history of a task of this job. */
function jobLife(
  { store }: ReturnType<typeof setUp>,
  stream: string,
  job: string,
  kilobytes = 10,
  to = "destroyed",
) {
  const [namespace, jobId] = job.split(":");
  const requested = { ...event("pending", 9, { namespace, jobId, text: "x".repeat(1_000 * kilobytes) }) };
  return store.append(stream, 0, [{ ...requested, type: "requested" }, event(to, 8)]);
}

const bulk = { text: "x".repeat(10_000) };

describe("a history that is in an archive", () => {
  it("is removed early if its task is over and nobody holds the history", async () => {
    const { life, pass, archived, held, filesRemoved } = setUp();
    for (const [name, to] of [
      ["over", "destroyed"],
      ["pinned", "destroyed"],
      ["runs", "running"],
      ["other", "destroyed"],
      ["newest", "running"],
    ] as const)
      await life(name, to, 1);
    for (const name of ["over", "pinned", "runs"]) archived.add(name);
    held.add("pinned");
    expect(await pass()).toEqual(["newest", "other", "pinned", "runs"]);
    expect(filesRemoved).toEqual(["over"]);
  });
});

describe("a history that is older than the limit", () => {
  it("is removed if its task is over, destroyed or not, and stays otherwise", async () => {
    const { life, pass, log } = setUp();
    for (const to of [
      "destroyed",
      "exited",
      "failed",
      "lost",
      "running",
      "recovered",
      "stopping",
      "sandboxed",
    ])
      await life(to, to, 169);
    await life("young", "destroyed", 167);
    expect(await pass()).toEqual(["recovered", "running", "sandboxed", "stopping", "young"]);
    expect(log.lines).toMatchObject([{ level: "debug", fields: { tasks: 4 } }]);
  });

  it("stays while it is pinned, or while the driver uses its task", async () => {
    const { life, pass, held } = setUp();
    await life("held", "exited", 500);
    await life("newest", "running", 0);
    held.add("held");
    expect(await pass()).toEqual(["held", "newest"]);
  });

  it("stays while it contains the log's newest event", async () => {
    const { life, pass } = setUp();
    await life("old", "destroyed", 500);
    await life("newest", "destroyed", 400);
    expect(await pass()).toEqual(["newest"]);
  });

  it("is found after long-lived tasks, and after a task with a time in the future", async () => {
    const { life, pass } = setUp();
    for (let task = 0; task < 300; task++) await life(`alive ${task}`, "running", 1_000);
    await life("ahead", "destroyed", -1_000_000);
    await life("old", "destroyed", 169);
    await life("newest", "running", 0);
    const left = await pass();
    expect(left).toHaveLength(302);
    expect(left).not.toContain("old");
  });
});

describe("histories that exceed the size limit", () => {
  it("are removed, oldest first, until the log is small enough, but only those of destroyed tasks", async () => {
    const { life, pass, store } = setUp({ maxBytes: 35_000 });
    await life("alive", "running", 9, bulk);
    await life("forgotten", "exited", 8, bulk);
    for (const [index, stream] of ["first", "second", "third"].entries())
      await life(stream, index === 1 ? "failed" : "destroyed", 7 - index, bulk);
    await life("newest", "running", 0);
    expect(await pass()).toEqual(["alive", "forgotten", "newest", "third"]);
    expect(store.bytes()).toBeLessThan(35_000);
  });

  it("all stay if the log is below the limit", async () => {
    const { life, pass, log } = setUp();
    await life("old", "destroyed", 1, bulk);
    await life("newest", "destroyed", 0);
    expect(await pass()).toEqual(["newest", "old"]);
    expect(log.lines).toEqual([]);
  });
});

describe("the histories of a job", () => {
  it("that failing starts with large arguments fill the log with go first, and no other job's", async () => {
    const world = setUp({ maxBytes: 200_000 });
    for (const stream of ["a1", "a2", "a3"]) await jobLife(world, stream, "tenant:web");
    for (let start = 10; start < 20; start++) await jobLife(world, `b${start}`, "other:greedy", 38, "failed");
    await jobLife(world, "a4", "tenant:web");
    await world.life("newest", "running", 0);
    expect(await world.pass()).toEqual(["a1", "a2", "a3", "a4", "b16", "b17", "b18", "b19", "newest"]);
    expect(world.store.bytes()).toBeLessThan(200_000);
  });

  it("are those of all that Nomad has made of it, at a time or for a dispatch", async () => {
    const world = setUp({ maxBytes: 100_000 });
    for (const stream of ["c1", "c2"]) await jobLife(world, stream, "u:web");
    for (let run = 10; run < 20; run++) await jobLife(world, `a${run}`, `t:cron/periodic-17000000${run}`);
    for (let run = 10; run < 15; run++)
      await jobLife(world, `b${run}`, `t:batch/dispatch-17000000${run}-0a1b2c3d`);
    await world.life("newest", "running", 0);
    const batch = ["b10", "b11", "b12", "b13", "b14"];
    expect(await world.pass()).toEqual(["a18", "a19", ...batch, "c1", "c2", "newest"]);
  });

  it("are not removed where the same name in another namespace uses most", async () => {
    const world = setUp({ maxBytes: 80_000 });
    await jobLife(world, "a1", "one:web");
    for (let run = 10; run < 20; run++) await jobLife(world, `b${run}`, "two:web");
    await world.life("newest", "running", 0);
    expect(await world.pass()).toContain("a1");
  });

  it("are counted with the output that they keep", async () => {
    const world = setUp({ maxBytes: 200_000 });
    for (const stream of ["a1", "a2"]) await jobLife(world, stream, "one:web", 1);
    for (let run = 10; run < 20; run++) {
      const requested = { ...event("pending", 9, { namespace: "two", jobId: "web" }), type: "requested" };
      const kept = { stdout: "x".repeat(60_000), stderr: "" };
      await world.store.append(`b${run}`, 0, [
        requested,
        { ...event("exited", 8, { kept }), type: "exited" },
        event("destroyed", 8),
      ]);
    }
    const left = await world.pass();
    expect(left).toEqual(expect.arrayContaining(["a1", "a2", "b19"]));
    expect(left.length).toBeLessThan(6);
  });

  it("go in the order of their age if those beyond the share are not enough", async () => {
    const world = setUp({ maxBytes: 60_000 });
    for (const stream of ["a1", "a2"]) await jobLife(world, stream, "one:web");
    for (let run = 0; run < 9; run++) await jobLife(world, `b${run}`, "two:runs", 10, "running");
    await world.life("newest", "running", 0);
    expect((await world.pass()).filter((stream) => stream.startsWith("a"))).toEqual([]);
  });

  it("stay while they are pinned, also beyond the share", async () => {
    const world = setUp({ maxBytes: 60_000 });
    for (let run = 0; run < 9; run++) await jobLife(world, `b${run}`, "one:greedy");
    await world.life("newest", "running", 0);
    for (const stream of ["b0", "b3"]) world.held.add(stream);
    expect(await world.pass()).toEqual(["b0", "b3", "b6", "b7", "b8", "newest"]);
  });

  it("all stay while a job uses no more than its share, and else the newest do", async () => {
    const history = fc.record({
      job: fc.constantFrom("a:a", "a:b", "b:a", "c:c/periodic-1"),
      size: fc.integer({ min: 1, max: 20 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(history, { maxLength: 25 }),
        fc.integer({ min: 10, max: 300 }),
        async (histories, maxKilobytes) => {
          const maxBytes = maxKilobytes * 1_000;
          const world = setUp({ maxBytes });
          const sizes = new Map<string, number[]>();
          for (const [index, { job, size }] of histories.entries()) {
            const before = world.store.bytes();
            await jobLife(world, `${job} ${String(index).padStart(2, "0")}`, job, size);
            sizes.set(job, [...(sizes.get(job) ?? []), world.store.bytes() - before]);
          }
          // The log's newest history always stays, and is that of no job.
          await world.life("newest", "running", 0);
          const used = world.store.bytes();
          const left = await world.pass();
          const share = maxBytes / (sizes.size + 1);
          for (const [job, all] of sizes) {
            const kept = left.filter((stream) => stream.startsWith(`${job} `));
            const names = histories.flatMap((each, index) =>
              each.job === job ? [`${job} ${String(index).padStart(2, "0")}`] : [],
            );
            // The newest of the job.
            expect(kept).toEqual(names.slice(names.length - kept.length));
            const before = all.reduce((sum, bytes) => sum + bytes, 0);
            if (before <= share - 1 || used <= maxBytes) expect(kept).toHaveLength(all.length);
            // No more than it takes to come below its share.
            const one = all[all.length - kept.length - 1] ?? 0;
            const after = all.slice(all.length - kept.length).reduce((sum, bytes) => sum + bytes, 0);
            if (kept.length < all.length) expect(after + one).toBeGreaterThan(share - 1);
          }
          expect(world.store.bytes()).toBeLessThanOrEqual(maxBytes);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("are measured once, not at each pass", async () => {
    const world = setUp({ maxBytes: 50_000 });
    const { store, pruner } = world;
    const readRecords = vi.spyOn(store, "readRecords");
    const fill = async (from: number) => {
      for (let run = from; run < from + 10; run++) await jobLife(world, `a${run}`, "one:greedy");
    };
    const settle = async () => {
      await vi.advanceTimersByTimeAsync(600_000);
      await eventually(() => expect(store.bytes()).toBeLessThan(50_000));
      for (let turn = 0; turn < 50; turn++) await setImmediate();
      return readRecords.mock.calls.length;
    };
    await fill(10);
    pruner.wake();
    expect(await settle()).toBe(10);
    await fill(20);
    pruner.wake();
    // The newest of the first ten had been the log's newest.
    expect(await settle()).toBe(20);
    await pruner.close();
  });
});

describe("a pass", () => {
  it("runs some time after the first request, and not again at once", async () => {
    const { life, pruner, store } = setUp();
    const names = () => Array.from(store.streams(), ({ stream }) => stream);
    await life("a", "destroyed", 200);
    await life("b", "destroyed", 200);
    for (let wish = 0; wish < 3; wish++) pruner.wake();
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(names()).toEqual(["a", "b"]);
    await vi.advanceTimersByTimeAsync(60_000);
    await eventually(() => expect(names()).toEqual(["b"]));
    expect(vi.getTimerCount()).toBe(0);
    await life("c", "running", 0);
    pruner.wake();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(names()).toEqual(["b", "c"]);
    await vi.advanceTimersByTimeAsync(600_000);
    await eventually(() => expect(names()).toEqual(["c"]));
    await pruner.close();
  });

  it("ends with the pruner, and does not run afterwards", async () => {
    const { life, pruner, store } = setUp();
    await life("a", "destroyed", 200);
    await life("b", "running", 0);
    pruner.wake();
    await pruner.close();
    pruner.wake();
    await vi.advanceTimersByTimeAsync(hour);
    expect([...store.streams()]).toHaveLength(2);
  });

  it("that fails is logged, and does not prevent the next one", async () => {
    const { life, pass, store, log } = setUp();
    await life("a", "destroyed", 200);
    await life("b", "running", 0);
    store.prune = async () => {
      throw new Error("disk");
    };
    expect(await pass()).toEqual(["a", "b"]);
    expect(log.lines).toMatchObject([{ level: "warn", fields: { error: "disk" } }]);
  });
});
