/** Sizes over recorded histories: bundles of real runs. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { foldReadable } from "../../../src/cli/histories/readHistory.ts";
import { parseBundle } from "../../../src/history/replay/bundle/loadBundle.ts";
import { readHistory } from "../../../src/history/replay/storedHistory.ts";
import { type RunUse, runUse } from "../../../src/history/size/runUse.ts";
import { sizesOf } from "../../../src/history/size/sizing.ts";

const root = join(import.meta.dirname, "../../..");
const now = Date.parse("2026-12-01T00:00:00Z");

function runsIn(path: string): RunUse[] {
  const { reader } = parseBundle(readFileSync(join(root, path), "utf8"), path);
  return [...reader.streams()].flatMap(({ stream }) => {
    const events = readHistory(reader, stream);
    return runUse(foldReadable(events), events, reader.usage(stream)) ?? [];
  });
}

function sizeIn(path: string, task: string, measured = false) {
  const sizes = sizesOf(runsIn(path), { headroom: 0.2, measured }, now);
  const found = sizes.find((size) => size.task === task);
  if (found === undefined) throw new Error(`no ${task} in ${path}`);
  return found;
}

it("two runs that were measured to their end, of which a third never began", () => {
  expect(runsIn("docs/histories/denied.jsonl")).toHaveLength(2);
  const { memory, cpu, throttled, runs } = sizeIn("docs/histories/denied.jsonl", "count");
  expect(runs).toEqual({ count: 2, going: 0, whole: 2, killed: 0 });
  // The peak is 1.7 MiB; Nomad takes no less than 10.
  expect(memory).toMatchObject({ reserved: 32, proposed: 10, used: { most: 1.7265625 } });
  expect(cpu).toMatchObject({
    reserved: 100,
    proposed: null,
    notes: [expect.stringMatching("held back 2 runs")],
  });
  expect(throttled.runs).toBe(2);
});

it("a run that a reboot has ended: what it needed is not known", () => {
  const path = "docs/histories/longWork.jsonl";
  const { memory } = sizeIn(path, "frames");
  expect(memory?.proposed).toBeNull();
  expect(memory?.notes).toEqual([expect.stringMatching(/^Of 1 run, it is not known whether .* killed/)]);
  expect(sizeIn(path, "frames", true).memory?.proposed).toBe(10);
});

it("a run that was killed at its limit, and one that then got on with more", () => {
  for (const measured of [false, true]) {
    const { memory, runs } = sizeIn("docs/histories/outOfMemory.jsonl", "copy", measured);
    expect(runs).toMatchObject({ count: 2, killed: 1 });
    expect(memory).toMatchObject({ reserved: 96, proposed: null });
    expect(memory?.notes[0]).toMatch(
      /killed processes .* at a limit of 32 MiB: .* --since leaves such runs out/,
    );
  }
});

it.each([
  ["stalled", "compete"],
  ["fullDisk", "main"],
  ["denials", "denied-often"],
])("%s.jsonl, of a host that measures no memory: nothing is proposed", (name, task) => {
  for (const measured of [false, true]) {
    const { memory } = sizeIn(`test/fixtures/histories/${name}.jsonl`, task, measured);
    expect(memory).toMatchObject({
      proposed: null,
      used: null,
      notes: [expect.stringMatching("not measured")],
    });
  }
});

it("has what a run had on disk, and how often it stalled", () => {
  expect(sizeIn("test/fixtures/histories/fullDisk.jsonl", "main").disk.most).toBeGreaterThan(3_000_000);
  expect(sizeIn("test/fixtures/histories/stalled.jsonl", "compete").stalls).toBeGreaterThan(0);
});
