import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { toTaskId } from "../../src/base/taskId.ts";
import { UsageSampler } from "../../src/driver/usageSampler.ts";
import type { CgroupReading } from "../../src/effects/stats/readings.ts";
import type { UsageSample } from "../../src/store/usage/usageSample.ts";
import { recordingLogger } from "../support/recordingLogger.ts";

const reading: CgroupReading = {
  cpu: { userUs: 3, systemUs: 4, throttled: undefined },
  memoryBytes: 4096,
  memoryPeakBytes: undefined,
  pids: 2,
  io: undefined,
  pressure: { cpu: { someUs: 5, fullUs: 0 }, memory: undefined, io: undefined },
};

/** A sampler with a fake clock, and its stored samples: task and time, in seconds since the beginning. */
function sampler(read: (cgroup: string) => Promise<CgroupReading | undefined> = async () => reading) {
  const kept: [string, number][] = [];
  const log = recordingLogger();
  const begun = Date.now();
  const keep = (taskId: string, { time }: { time: number }) => kept.push([taskId, (time - begun) / 1000]);
  const made = new UsageSampler({ read, keep, now: Date.now, log });
  made.configure(60_000);
  const watch = (name: string) =>
    made.watch(toTaskId(name), { cgroup: `/cgroup/${name}`, begunAt: Date.now() });
  return { sampler: made, kept, log, watch };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("the sampler", () => {
  it("samples a task each second at first, then less and less often, but at least once an interval", async () => {
    const { kept, watch } = sampler();
    watch("a");
    await vi.advanceTimersByTimeAsync(4 * 3_600_000);
    const times = kept.map(([, time]) => time);
    expect(times.slice(0, 4)).toEqual([1, 2, 3, 4]);
    const gaps = times.slice(1).map((time, index) => Math.round(time - (times[index] ?? 0)));
    expect(Math.max(...gaps)).toBe(60);
    expect(gaps.slice(-100).every((gap) => gap === 60)).toBe(true);
    expect(times.length).toBeLessThan(500);
  });

  it("takes at most ten samples a second, each task in its turn", async () => {
    const { kept, watch } = sampler();
    for (let number = 0; number < 1_000; number++) watch(String(number));
    await vi.advanceTimersByTimeAsync(100_000);
    expect(kept).toHaveLength(1_000);
    expect(new Set(kept.map(([id]) => id)).size).toBe(1_000);
  });

  it("takes no sample of a short task, and a last sample of any other task", async () => {
    const read = vi.fn(async () => reading);
    const { sampler: made, kept, watch } = sampler(read);
    watch("short");
    await vi.advanceTimersByTimeAsync(500);
    await made.finish(toTaskId("short"));
    expect(read).not.toHaveBeenCalled();
    watch("long");
    await vi.advanceTimersByTimeAsync(1_000);
    await made.finish(toTaskId("long"));
    expect(kept).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(kept).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("has no timer while nothing runs, or while it is off", async () => {
    const { sampler: made, kept, watch } = sampler();
    expect(vi.getTimerCount()).toBe(0);
    made.configure(0);
    watch("a");
    expect(vi.getTimerCount()).toBe(0);
    made.configure(60_000);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(kept.length).toBeGreaterThan(1);
    made.configure(0);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(vi.getTimerCount()).toBe(0);
    made[Symbol.dispose]();
  });

  it("reads the disk only of tasks with a limit there", async () => {
    const samples: UsageSample[] = [];
    const made = new UsageSampler({
      read: async () => reading,
      keep: (_, sample) => samples.push(sample),
      now: Date.now,
      log: recordingLogger(),
    });
    made.configure(60_000);
    const usage = { bytes: 4096, files: 2, limitBytes: 8192, limitFiles: 1024 };
    const readDisk = vi.fn(async () => ({ own: usage, shared: { ...usage, bytes: 8192 } }));
    made.watch(toTaskId("limited"), { cgroup: "/cgroup/limited", begunAt: Date.now(), readDisk });
    made.watch(toTaskId("free"), { cgroup: "/cgroup/free", begunAt: Date.now() });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(readDisk).toHaveBeenCalledTimes(1);
    expect(samples).toMatchObject([
      { ownDiskBytes: 4096, sharedDiskBytes: 8192 },
      { ownDiskBytes: Number.NaN, sharedDiskBytes: Number.NaN },
    ]);
    made[Symbol.dispose]();
  });

  it("logs only once that tasks cannot be sampled", async () => {
    const { log, watch } = sampler(async () => {
      throw new Error("disk full");
    });
    watch("a");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(log.lines).toMatchObject([{ level: "warn", message: "the usage of tasks cannot be sampled" }]);
  });
});
