import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { toTaskId } from "../../../src/base/taskId.ts";
import { appendUsage, readUsage, removeUsage } from "../../../src/store/usage/usageFile.ts";
import { maxSamples } from "../../../src/store/usage/usageSample.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { usageSample } from "../../support/metrics/usage.ts";

const id = toTaskId("6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20/web/0a1b2c3d");
const times = (log: string) => readUsage(log, id).map(({ time }) => time);

function onlyFile(log: string): string {
  const [name = ""] = readdirSync(join(log, "usage"));
  return join(log, "usage", name);
}

describe("the file of a task's samples", () => {
  it("keeps them in order, for root alone, until it is removed", () => {
    const log = temporaryFolder();
    expect(times(log)).toEqual([]);
    for (const time of [1, 2, 3]) appendUsage(log, id, usageSample({ time }));
    expect(times(log)).toEqual([1, 2, 3]);
    expect(statSync(onlyFile(log)).mode & 0o777).toBe(0o600);
    expect(statSync(join(log, "usage")).mode & 0o777).toBe(0o700);
    removeUsage(log, id);
    removeUsage(log, id);
    expect([times(log), readdirSync(join(log, "usage"))]).toEqual([[], []]);
  });

  it("is bounded, and covers the whole life", () => {
    const log = temporaryFolder();
    for (let time = 1; time <= 3_000; time++) appendUsage(log, id, usageSample({ time: time * 1_000 }));
    expect(statSync(onlyFile(log)).size).toBeLessThanOrEqual(16 + maxSamples * 152);
    const kept = times(log);
    expect([kept[0], kept.at(-1)]).toEqual([1_000, 3_000_000]);
    expect(readdirSync(join(log, "usage"))).toHaveLength(1);
  });

  it("continues after a partial record of a plugin that died", () => {
    const log = temporaryFolder();
    for (const time of [1, 2, 3]) appendUsage(log, id, usageSample({ time }));
    for (let cut = 1; cut <= 104; cut++) {
      const path = onlyFile(log);
      const whole = readFileSync(path);
      truncateSync(path, whole.length - cut);
      expect(times(log)).toEqual([1, 2]);
      appendUsage(log, id, usageSample({ time: 3 }));
      expect(times(log)).toEqual([1, 2, 3]);
      expect(readFileSync(path)).toEqual(whole);
    }
  });

  it("that another program wrote has no samples", () => {
    const log = temporaryFolder();
    appendUsage(log, id, usageSample({ time: 1 }));
    writeFileSync(onlyFile(log), "nothing of ours, and long enough to be a header");
    expect(times(log)).toEqual([]);
  });
});
