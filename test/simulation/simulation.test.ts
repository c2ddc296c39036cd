import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { loadBundle } from "../../src/history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../src/history/replay/check/checkLog.ts";
import { mends } from "./mends.ts";
import { simulate } from "./simulate.ts";

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

test("they also do with denials, and with loggers that are killed", () => {
  const { status, output } = simulate("100", "10000");
  expect(output).toContain("✓ 100 histories");
  expect(status).toBe(0);
});

test("they also do where tasks connect only where they may", () => {
  const { status, output } = simulate("60", "100000");
  expect(output).toContain("✓ 60 histories");
  expect(status).toBe(0);
});

test("a history is the same alone, after others, and after others again", () => {
  const digestsOf = (...args: string[]) =>
    simulate("--digests", ...args)
      .output.match(/^\d+ [\da-f]{64}$/gm)
      ?.sort();
  const all = digestsOf("24", "10000");
  expect(all).toHaveLength(24);
  // Each worker has every second history.
  expect(digestsOf("24", "10000", "--workers", "2")).toEqual(all);
  expect(digestsOf("1", "10017")).toEqual(all?.slice(17, 18));
});

test("histories run in several processes, and a failure of one is told", () => {
  const { status, output } = simulate("--workers", "2", "--steps", "2000", "1000");
  expect(output).toMatch(/✓ \d+ histories from seed \d+: \d{4,} steps/);
  expect(status).toBe(0);
});

test("a host call that fails once makes nothing hang, leak or lie", () => {
  const { status, output } = simulate("--nth", "--every", "20");
  expect(output).toMatch(/✓ \d\d histories, in which each of \d\d kinds of host calls failed once/);
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

test("help is printed, also for an option that does not exist", () => {
  expect(simulate("--help")).toMatchObject({ status: 0, output: expect.stringContaining("--mends") });
  const { status, output } = simulate("--no-such");
  expect(output).toMatch(/^Unknown option '--no-such'[\s\S]*--mends/);
  expect(status).toBe(2);
});

describe("what was found and mended", () => {
  let output = "";
  beforeAll(() => {
    ({ output } = simulate("--mends"));
  }, 600_000);

  const shown = mends.filter(({ seed, refused }) => seed !== undefined || refused !== undefined);
  test.each(shown)("$title", ({ title }) => {
    expect(output.split("\n").find((line) => line.slice(2).startsWith(title))).toMatch(/^✓/);
  });
});
