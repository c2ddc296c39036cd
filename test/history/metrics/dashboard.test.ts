/** The dashboard for Grafana: its queries are valid PromQL and use existing metrics. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { PluginMetrics } from "../../../src/driver/metrics/pluginMetrics.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

const path = join(import.meta.dirname, "../../../examples/grafana-dashboard.json");
const place = z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() });
const dashboard = z.object({
  title: z.string(),
  templating: z.object({ list: z.array(z.object({ name: z.string() })) }),
  panels: z.array(
    z.object({
      id: z.number(),
      title: z.string(),
      gridPos: place,
      targets: z.array(z.object({ expr: z.string(), refId: z.string() })).min(1),
    }),
  ),
});
const { panels, templating } = dashboard.parse(JSON.parse(readFileSync(path, "utf8")));
const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

async function metricNames(): Promise<Set<string>> {
  const metrics = new PluginMetrics({ tasks: () => [], logBytes: () => 1 }, recordingLogger());
  onTestFinished(() => metrics.close());
  const families = await metrics.families();
  const names = families.flatMap(({ name, type }) =>
    type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  );
  return new Set(names);
}

describe("the dashboard", () => {
  it("uses existing metrics, and shows each metric of a task", async () => {
    const names = await metricNames();
    const asked = new Set(queries.flatMap((query) => query.match(/\b(?:exec2|process)_[a-z_]+/g) ?? []));
    expect([...asked].filter((name) => !names.has(name))).toEqual([]);
    const unshown = [...names].filter((name) => name.startsWith("exec2_task_") && !asked.has(name));
    expect(unshown).toEqual([
      "exec2_task_start_seconds_sum",
      "exec2_task_start_seconds_count",
      "exec2_task_info",
      "exec2_task_started_timestamp_seconds",
      // What `size --prometheus` compares with what was used.
      "exec2_task_cpu_reserved_hertz",
      "exec2_task_memory_reserved_bytes",
      "exec2_task_oom_kills_total",
    ]);
  });

  it("has queries that promtool accepts, and that use only defined variables", () => {
    const defined = new Set(["__rate_interval", ...templating.list.map(({ name }) => name)]);
    for (const query of queries) {
      const variables = Array.from(query.matchAll(/\$\{?(\w+)/g), ([, name = ""]) => name);
      expect(variables.filter((name) => !defined.has(name))).toEqual([]);
      const plain = query.replaceAll("$__rate_interval", "5m");
      const { error, status, stderr } = spawnSync("promtool", ["--experimental", "promql", "format", plain], {
        encoding: "utf8",
      });
      if (error) {
        console.error("NOT TESTED by promtool: it is not installed");
        return;
      }
      expect(status, `${plain}: ${stderr}`).toBe(0);
    }
  });

  it("has panels that do not overlap", () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });
});
