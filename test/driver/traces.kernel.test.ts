/** Traces of real tasks: sent by the plugin as they end, and by `export --otlp` afterwards. Needs root. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { runTask, startAgent } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { startCollector } from "../support/traces/collector.ts";
import { startRotel } from "../support/traces/rotel.ts";

const executable = join(import.meta.dirname, "../../dist/plugin/nomad-driver-exec2");
const run = promisify(execFile);

describe("a task that is over", () => {
  it("is a trace at the collector, sent by the plugin, and the same one sent by export", async () => {
    const collector = await startCollector();
    const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: collector.address };
    const agent = await startAgent({ options: { traces: true }, env });
    const config = makeAllocation({ taskName: "traced" }).config("exit 3", {
      env: { SECRET: "correct-horse" },
    });
    await runTask(agent, config);
    await vi.waitFor(() => expect(collector.spans.length).toBeGreaterThan(0), 15_000);
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
    const { stdout } = await run(executable, args, { env });
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

  it("goes through a collector that others make", async (context) => {
    const receiver = await startCollector();
    const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: await startRotel(context, receiver.address) };
    const agent = await startAgent({ options: { traces: true }, env });
    await runTask(agent, makeAllocation({ taskName: "traced" }).config("exit 3"));
    await vi.waitFor(() => expect(receiver.spans).toHaveLength(5), 15_000);
    const sent = [...receiver.spans];
    await run(executable, ["export", "--otlp", "--all", "--state-dir", agent.stateDir], { env });
    await vi.waitFor(() => expect(receiver.spans).toHaveLength(10), 15_000);
    expect(receiver.spans.slice(5)).toEqual(sent);
  });
});
