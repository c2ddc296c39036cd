/** The rules for Prometheus: they use existing metrics, and promtool's tests of them pass. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { PluginMetrics } from "../../../src/driver/metrics/pluginMetrics.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

const rules = join(import.meta.dirname, "../../../examples/prometheus-rules.yml");

it("the rules use existing metrics", async () => {
  const metrics = new PluginMetrics({ tasks: () => [], logBytes: () => 1 }, recordingLogger());
  onTestFinished(() => metrics.close());
  const names = (await metrics.families()).map(({ name }) => name);
  const asked = readFileSync(rules, "utf8").match(/(?<![:\w])exec2_[a-z_]+/g) ?? [];
  expect(asked.length).toBeGreaterThan(8);
  expect(asked.filter((name) => !names.includes(name.replace(/_(?:bucket|count|sum)$/, "")))).toEqual([]);
});

it("the rules are tried by promtool", ({ skip }) => {
  const tests = readFileSync(join(import.meta.dirname, "rules.test.yml"), "utf8");
  const file = join(temporaryFolder(), "tests.yml");
  writeFileSync(file, tests.replace("RULES", rules));
  const { error, status, stdout, stderr } = spawnSync("promtool", ["test", "rules", file], {
    encoding: "utf8",
  });
  if (error) {
    console.error("NOT TESTED by promtool: it is not installed (apt-get install prometheus)");
    skip();
  }
  expect(status, `${stdout}\n${stderr}`).toBe(0);
});
