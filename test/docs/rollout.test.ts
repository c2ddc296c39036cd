/** docs/rollout.md has a runbook for each alert, and docs/observing.md each metric. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { pages as releasedPages } from "../../scripts/release/content.ts";
import { PluginMetrics } from "../../src/driver/metrics/pluginMetrics.ts";
import { life } from "../support/history/history.ts";
import { eventually } from "../support/host/eventually.ts";
import { parseScrape } from "../support/metrics/scraped.ts";
import { recordingLogger } from "../support/recordingLogger.ts";
import { idOf, startInspector } from "../support/screen/inspector.ts";

const read = (path: string) => readFileSync(join(import.meta.dirname, "../..", path), "utf8");
const page = read("docs/rollout.md");

interface Alert {
  readonly name: string;
  /** Its text, with `…` for what Prometheus fills in. */
  readonly summary: string;
  readonly runbook: string;
}

const alerts: readonly Alert[] = read("examples/prometheus-rules.yml")
  .split(/^ +- (?=alert:|record:)/m)
  .filter((rule) => rule.startsWith("alert:"))
  .map((rule) => {
    const field = (name: string) => new RegExp(`^ *${name}: (.*)$`, "m").exec(rule)?.[1] ?? "";
    const summary = field("summary").replaceAll(/\{\{.*?\}\}/g, "…");
    return { name: field("alert"), summary, runbook: field("runbook_url") };
  });

/** The sections about alerts by their headings. */
const runbooks = new Map(
  (/^## Alerts\n(.*?)^## /ms.exec(page)?.[1] ?? "")
    .split(/^### /m)
    .slice(1)
    .map((section): [string, string] => {
      const end = section.indexOf("\n");
      return [section.slice(0, end), section.slice(end).trim()];
    }),
);

describe("the alerts", () => {
  it("have a runbook each, which begins with the alert's text and has steps", () => {
    expect(alerts).toHaveLength(6);
    expect([...runbooks.keys()]).toEqual(alerts.map(({ name }) => name));
    for (const { name, summary } of alerts) {
      expect(runbooks.get(name)?.split("\n")[0], name).toBe(`> ${summary}`);
      expect(runbooks.get(name), name).toMatch(/^1\. /m);
    }
  });

  it("lead to their runbooks in the folder of the installed package", () => {
    const [folder, path] = ["file:///usr/share/doc/nomad-driver-exec2/", "docs/rollout.md"];
    expect(read("scripts/release/packages.ts")).toContain(`usr/share/doc/\${name}/\${path}`);
    expect([...releasedPages().keys()]).toContain(path);
    expect(alerts.map(({ runbook }) => runbook)).toEqual(
      alerts.map(({ name }) => `${folder}${path}#${name.toLowerCase()}`),
    );
  });
});

/** Names in code, such as `exec2_task_info{…}`, but not those of recording rules. */
const metricsIn = (text: string) =>
  [...text.matchAll(/(?<![-:\w])exec2_[a-z0-9_]+\b(?!=)/g)]
    .map(([name]) => name)
    .filter((name) => !name.endsWith("_"));

describe("the metrics", () => {
  it("are those of the code, in the pages and the other way round", async () => {
    const metrics = new PluginMetrics({ tasks: () => [], logBytes: () => 1 }, recordingLogger());
    onTestFinished(() => metrics.close());
    const plugins = (await metrics.families()).map(({ name }) => name);
    const { record, ask } = await startInspector();
    await record(idOf(0), life("ended"));
    const inspectors = await eventually(async () => {
      const { body } = await ask("/metrics");
      expect(body).toContain("exec2_history_tasks{");
      return [...parseScrape(body).keys()];
    });
    const known = new Set([...plugins, ...inspectors].filter((name) => name.startsWith("exec2_")));
    expect(known.size).toBeGreaterThan(30);
    const observing = metricsIn(read("docs/observing.md"));
    expect([...known].filter((name) => !observing.includes(name))).toEqual([]);
    expect([...observing, ...metricsIn(page)].filter((name) => !known.has(name))).toEqual([]);
  });
});
