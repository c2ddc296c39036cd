/** Traces of real tasks: sent by the plugin as they end, and by `export --otlp` afterwards. Needs root. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { runTask, startAgent } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { eventually } from "../support/host/eventually.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { startCollector } from "../support/traces/collector.ts";
import { startRotel } from "../support/traces/rotel.ts";

const executable = join(import.meta.dirname, "../../dist/plugin/nomad-driver-exec2");
const run = promisify(execFile);

describe("a task that is over", () => {
  it("is the same trace at the collector whether the plugin or export sends it", async () => {
    const collector = await startCollector();
    const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: collector.address };
    const agent = await startAgent({ options: { traces: true }, env });
    const config = makeAllocation({ taskName: "traced" }).config("exit 3", {
      env: { SECRET: "correct-horse" },
    });
    await runTask(agent, config);
    await eventually(() => expect(collector.spans.length).toBeGreaterThan(0));
    const sent = [...collector.spans];
    expect(sent[0]).toMatchObject({
      name: "task traced",
      status: { code: 2, message: "exit code 3" },
      attributes: { "nomad.alloc.id": config.allocId, "process.exit.code": 3 },
    });
    expect(sent.map(({ name }) => name)).toEqual([
      ...["task traced", "pending", "fingerprinted", "sandboxed", "running"],
    ]);
    const args = ["export", "--otlp", "traced", "--state-dir", agent.stateDir];
    const { stdout, stderr } = await run(executable, args, { env });
    expect(stderr).toBe("");
    expect(stdout).toBe(`Sent 1 trace (5 spans) to ${collector.address}\n`);
    expect(collector.spans.slice(sent.length)).toEqual(sent);
    expect(JSON.stringify(collector.spans)).not.toContain("correct-horse");
    const unheard = {
      ...env,
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
      OTEL_EXPORTER_OTLP_TIMEOUT: "500",
    };
    await expect(run(executable, args, { env: unheard })).rejects.toMatchObject({
      stderr: expect.stringContaining("TRACES_NOT_SENT"),
    });
  });

  it("passes through a collector of another project", async (context) => {
    const receiver = await startCollector();
    const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: await startRotel(context, receiver.address) };
    const agent = await startAgent({ options: { traces: true }, env });
    await runTask(agent, makeAllocation({ taskName: "traced" }).config("exit 3"));
    await eventually(() => expect(receiver.spans).toHaveLength(5));
    const sent = [...receiver.spans];
    await run(executable, ["export", "--otlp", "--all", "--state-dir", agent.stateDir], { env });
    await eventually(() => expect(receiver.spans).toHaveLength(10));
    expect(receiver.spans.slice(5)).toEqual(sent);
  });
});

describe("metrics and events", () => {
  it("are sent to a collector, which can give them to Prometheus as the plugin does", async () => {
    const collector = await startCollector();
    const env = {
      ...process.env,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.address,
      OTEL_METRIC_EXPORT_INTERVAL: "300",
    };
    const agent = await startAgent({ options: { otlp_metrics: true, otlp_events: true }, env });
    const config = makeAllocation({ taskName: "told" }).config("exit 3", {
      env: { SECRET: "correct-horse" },
    });
    await runTask(agent, config);
    const types = ["requested", "fingerprinted", "sandboxed", "started", "exited", "destroyed"];
    await eventually(() =>
      expect(collector.records.map(({ name }) => name)).toEqual(types.map((type) => `exec2.${type}`)),
    );
    for (const { attributes, resource } of collector.records) {
      expect(attributes).toMatchObject({ "nomad.alloc.id": config.allocId, "nomad.task.name": "told" });
      expect(resource["service.name"]).toBe("nomad-driver-exec2");
    }
    expect(collector.records.map(({ severity }) => severity)).toEqual([9, 9, 9, 9, 17, 9]);
    expect(new Set(collector.records.map(({ traceId }) => traceId)).size).toBe(1);
    await eventually(() => {
      const ends = collector.metrics.findLast(({ name }) => name === "exec2.task_ends");
      expect(ends).toMatchObject({ kind: "sum", isCounter: true });
      expect(ends?.points.filter(({ value }) => value > 0)).toMatchObject([
        { attributes: { result: "failed" }, value: 1 },
      ]);
    });
    expect(collector.metrics.find(({ name }) => name === "process.cpu.time")).toMatchObject({ unit: "s" });
    expect(collector.spans).toEqual([]);
    expect(JSON.stringify([collector.metrics, collector.records])).not.toContain("correct-horse");
  });

  it("that no collector takes are told once, and tasks go on", async () => {
    const env = {
      ...process.env,
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
      OTEL_EXPORTER_OTLP_TIMEOUT: "100",
      OTEL_METRIC_EXPORT_INTERVAL: "100",
    };
    const agent = await startAgent({ options: { otlp_metrics: true, otlp_events: true }, env });
    await runTask(agent, makeAllocation().config("true"));
    const told = (text: string) => agent.stderrLines.filter((line) => line.includes(text)).length;
    await eventually(() => expect(told("events of tasks could not be sent")).toBe(1));
    expect(told("metrics could not be sent")).toBe(1);
  });
});

/** Files that a plugin had loaded when it ended, according to V8's coverage report. */
async function loadedFiles(options: Readonly<Record<string, unknown>>): Promise<string[]> {
  const folder = temporaryFolder();
  const { address } = await startCollector();
  const env = { NODE_V8_COVERAGE: folder, OTEL_EXPORTER_OTLP_ENDPOINT: address };
  const agent = await startAgent({
    // From the sources, because a bundle loads no file of its own.
    entry: join(import.meta.dirname, "../../src/main.ts"),
    options,
    env,
  });
  await runTask(agent, makeAllocation().config("exit 3"));
  await agent.close();
  const reports = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")));
  const results = reports.flatMap(({ result }) => result as { readonly url: string }[]);
  return results.map(({ url }) => url);
}

describe("a plugin", () => {
  it("loads modules for traces and metrics only if its options want them", async () => {
    const ofLibraries = (files: readonly string[]) =>
      files.filter((file) => file.includes("/@opentelemetry/"));
    const ofFigures = (files: readonly string[]) =>
      files.filter((file) => /\/src\/(?:driver|history)\/metrics\//.test(file));
    const plain = await loadedFiles({});
    expect(plain.some((file) => file.endsWith("/src/driver/driver.ts"))).toBe(true);
    expect([...ofLibraries(plain), ...ofFigures(plain)]).toEqual([]);
    const traced = await loadedFiles({ traces: true });
    expect(ofLibraries(traced).join()).toContain("/@opentelemetry/exporter-trace-otlp-proto/");
    expect(ofFigures(traced)).toEqual([]);
    const measured = await loadedFiles({ metrics: join(temporaryFolder(), "metrics.sock") });
    expect(ofFigures(measured).join()).toContain("/src/driver/metrics/pluginMetrics.ts");
    expect(ofLibraries(measured)).toEqual([]);
    const pushed = await loadedFiles({ otlp_metrics: true, otlp_events: true });
    expect(ofLibraries(pushed).join()).toContain("/@opentelemetry/otlp-transformer/");
    expect(ofFigures(pushed).join()).toContain("/src/driver/metrics/pushedMetrics.ts");
  });
});
