import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadBundle } from "../../src/history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../src/history/replay/check/checkLog.ts";
import { simulate } from "./simulate.ts";

/** Histories that once failed. Each seed gives the same history until the simulation draws differently. */
const regressions: readonly { readonly title: string; readonly seed: number }[] = [
  {
    title: "the folder of a start that was never stored is removed although its init recorded an end",
    seed: 7,
  },
  { title: "a task does not run twice if its agent dies during a start and its plugin does not", seed: 106 },
  { title: "an end is told although the host refuses to read its record for some time", seed: 101 },
  { title: "a task is killed although the host is short of descriptors for a moment", seed: 398 },
  { title: "a start that fails, and cannot be undone at once, names the errno of its failure", seed: 344 },
  { title: "a start that is repeated after a failure, and fails again, is answered", seed: 212 },
  { title: "a task is not called destroyed that the next plugin could not look for", seed: 323 },
  { title: "the folder of a run is removed if its files cannot be made", seed: 70 },
  { title: "the state folder is handed over although a spare folder cannot be removed", seed: 2079 },
  { title: "a repeated start is not refused because the reconcile has settled it meanwhile", seed: 2223 },
  { title: "a task that a reboot has ended is destroyed without an error", seed: 2301 },
];

test("driver, agents and kernel keep what they promise in every simulated history", () => {
  const { status, output } = simulate("100", "1");
  expect(output).toContain("✓ 100 histories");
  expect(status).toBe(0);
});

test("they also do with reboots, two plugins at once, commands and cancelled calls", () => {
  const { status, output } = simulate("100", "1000");
  expect(output).toContain("✓ 100 histories");
  expect(status).toBe(0);
});

test("a history is the same alone, after others, and after others again", () => {
  const digestsOf = (...args: string[]) =>
    simulate("--digests", ...args)
      .output.match(/^\d+ [\da-f]{64}$/gm)
      ?.sort();
  const all = digestsOf("24", "1000");
  expect(all).toHaveLength(24);
  // Each worker has every second history.
  expect(digestsOf("24", "1000", "--workers", "2")).toEqual(all);
  expect(digestsOf("1", "1017")).toEqual(all?.slice(17, 18));
});

test("histories run in several processes, and a failure of one is told", () => {
  const { status, output } = simulate("--workers", "2", "--steps", "2000", "1000");
  expect(output).toMatch(/✓ \d+ histories from seed \d+: \d{4,} steps/);
  expect(status).toBe(0);
});

test("a host call that fails once makes nothing hang, leak or lie", () => {
  const { status, output } = simulate("--nth", "--every", "20");
  expect(output).toMatch(/✓ \d\d histories, in which each of 1\d kinds of host calls failed once/);
  expect(status).toBe(0);
});

test("a history is written as a bundle that a replay verifies", async () => {
  const folder = mkdtempSync(join(tmpdir(), "exec2-simulation-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "history.jsonl");
  expect(simulate("1", "5", "--bundle", path).status).toBe(0);
  const { reader } = await loadBundle(path);
  const report = checkLog(reader);
  expect(report.streams).toBeGreaterThan(1);
  expect(report).toMatchObject({ findings: [], damage: [] });
});

test.each(regressions)("$title", ({ seed }) => {
  const { status, output } = simulate("1", String(seed));
  expect(output).toContain("✓ 1 histories");
  expect(status).toBe(0);
});
