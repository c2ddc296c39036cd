/** What a run has used of CPU, and which runs count. */
import { expect, it } from "vitest";
import { foldReadable } from "../../../src/cli/histories/readHistory.ts";
import { runUse } from "../../../src/history/size/runUse.ts";
import { sizesOf } from "../../../src/history/size/sizing.ts";
import type { EventData, TaskEvent } from "../../../src/machines/events.ts";
import type { UsageSample } from "../../../src/store/usage/usageSample.ts";
import { event, life, sampleData } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";
import { usageSample } from "../../support/metrics/usage.ts";
import { now, recordedUse } from "./runsOfWorld.ts";

const begun = now - 86_400_000;
const mhzPerCore = 2_000;

/** A sample some seconds after the start, with the seconds of CPU until then. */
function sample(seconds: number, cpuSeconds: number, more: Partial<UsageSample> = {}): UsageSample {
  return usageSample({ time: begun + seconds * 1_000, userUs: cpuSeconds * 1e6, ...more });
}

function run(
  samples: readonly UsageSample[],
  resources: Partial<EventData<"requested">["resources"]> = { cpuMhz: 1_000 },
  job = "shop",
) {
  const limits = [{ file: "cpu.max", value: "50000 100000", applied: true }];
  const at = (each: TaskEvent, seconds = 0) => ({ ...each, time: begun + seconds * 1_000 }) as TaskEvent;
  const requested = { jobId: job, resources: { ...sampleData("requested").resources, ...resources } };
  const use = recordedUse(
    [
      at(event("requested", requested)),
      at(event("fingerprinted", { mhzPerCore })),
      at(event("sandboxed", { limits })),
      at(event("started")),
      at(event("exited", { endedAt: begun + 100_000 }), 100),
    ],
    samples,
  );
  if (use === undefined) throw new Error("no run");
  return use;
}

function cpuOf(samples: readonly UsageSample[], measured = true, resources = {}) {
  const use = run(samples, { cpuMhz: 1_000, ...resources });
  return sizesOf([use], { headroom: 0.2, measured }, now)[0]?.cpu;
}

it("the busiest span counts, in MHz of the host's cores", () => {
  const samples = [sample(1, 0.1), sample(2, 0.3), sample(62, 0.3), sample(100, 1)];
  // 0.2 of 2000 MHz from the first second to the second.
  expect(run(samples).cpu).toMatchObject({ most: expect.closeTo(400), spanMs: 60_000 });
  expect(cpuOf(samples)).toMatchObject({ reserved: 1_000, proposed: 480 });
  expect(cpuOf(samples)?.notes).toEqual([
    expect.stringMatching(/over up to 1 min: less CPU would make shorter/),
  ]);
});

it("the time before the first sample counts, but not what earlier runs in the cgroup used", () => {
  expect(run([sample(1, 0.45), sample(2, 0.45)]).cpu.most).toBeCloseTo(900);
  expect(run([sample(1, 30), sample(2, 30)]).cpu.most).toBe(0);
});

it("a sample right after another makes no span of its own", () => {
  expect(run([sample(1, 0.1), sample(2, 0.2), sample(2.01, 0.25)]).cpu.most).toBeLessThan(400);
});

it("less CPU is proposed only with --measured, and not if the limit held a run back", () => {
  const samples = [sample(1, 0), sample(2, 0.1)];
  expect(cpuOf(samples, false)).toMatchObject({
    proposed: null,
    notes: [expect.stringMatching("--measured proposes 240")],
  });
  const throttled = [sample(1, 0), sample(2, 0.1, { throttledUs: 2_000 })];
  expect(cpuOf(throttled)).toMatchObject({
    proposed: null,
    notes: [expect.stringMatching(/held back 1 run, by up to 2 ms/)],
  });
  expect(cpuOf(samples, true, { cpusetCpus: "0-1" })).toBeNull();
  expect(cpuOf([])).toMatchObject({ proposed: null, notes: ["CPU was not measured"] });
});

it("jobs that Nomad makes of a job are part of it", () => {
  expect(run([], {}, "shop/periodic-1700000000").job).toBe("shop");
  expect(run([], {}, "shop/dispatch-1700000000-0a1b2c3d").job).toBe("shop");
  expect(run([], {}, "shop/web").job).toBe("shop/web");
});

it("a run that never began is none, and of a damaged history nobody knows the end", () => {
  const stream = "a/web/1";
  const use = (log: RecordedLog) => {
    const events = log.events(stream);
    return runUse(foldReadable(events), events, []);
  };
  expect(use(new RecordedLog().add(stream, life("failed")))).toBeUndefined();
  expect(use(new RecordedLog().add(stream, life("ended")))?.memory.kills).toBe(0);
  const damaged = new RecordedLog().add(stream, life("ended")).events(stream);
  const events = damaged.map((each) =>
    each.type === "exited" ? { ...each, type: "damaged", data: {} } : each,
  );
  expect(runUse(foldReadable(events), events, [])).toMatchObject({
    ...{ endedAt: expect.any(Number), memory: { kills: null, isWhole: false } },
  });
});

it("memory_max stays, because it reserves nothing", () => {
  const [size] = sizesOf(
    [run([], { memoryMb: 64, memoryMaxMb: 512 })],
    { headroom: 0.2, measured: false },
    now,
  );
  expect(size?.memory?.notes.at(-1)).toBe("memory_max stays 512: it reserves nothing");
});
