/** Samples of real tasks: the plugin takes them, they survive its death, and `why` shows them. Needs root. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { toTaskId } from "../../src/base/taskId.ts";
import { usageSpans } from "../../src/history/why/usage.ts";
import { readUsage } from "../../src/store/usage/usageFile.ts";
import { type Agent, startAgent, startTask, waitTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { eventually } from "../support/host/eventually.ts";

const executable = join(import.meta.dirname, "../../dist/plugin/nomad-driver-exec2");

function samplesOf({ stateDir }: Agent, id: string) {
  return readUsage(join(stateDir, "events"), toTaskId(id));
}

async function untilSampled(agent: Agent, id: string, count: number): Promise<void> {
  await eventually(() => expect(samplesOf(agent, id).length).toBeGreaterThanOrEqual(count));
}

describe("a running task", () => {
  it("is sampled, by the next plugin too, and once more at its end", async () => {
    const agent = await startAgent();
    const allocation = makeAllocation({ taskName: "busy" });
    const config = allocation.config("while :; do :; done");
    const handle = await startTask(agent, config);
    await untilSampled(agent, config.id, 2);
    await agent.crash();
    const next = await startAgent({ stateDir: agent.stateDir });
    await next.driver.recoverTask({ taskId: config.id, handle });
    const before = samplesOf(next, config.id).length;
    await untilSampled(next, config.id, before + 2);
    await next.driver.stopTask({ taskId: config.id, timeout: { seconds: 5, nanos: 0 }, signal: "SIGKILL" });
    await waitTask(next, config);
    const samples = samplesOf(next, config.id);
    const cores = usageSpans(samples).map((span) => span.cores ?? 0);
    expect(Math.max(...cores)).toBeGreaterThan(0.1);
    const explained = execFileSync(executable, ["why", "busy", "--state-dir", next.stateDir], {
      encoding: "utf8",
    });
    expect(explained).toMatch(/It used [\d.]+ .*core/);
  });

  it("is not sampled if the operator wants no samples", async () => {
    const agent = await startAgent({ options: { usage_interval: "0" } });
    const allocation = makeAllocation({ taskName: "unseen" });
    const config = allocation.config("sleep 2.5");
    await startTask(agent, config);
    await waitTask(agent, config);
    expect(existsSync(join(agent.stateDir, "events/usage"))).toBe(false);
  });
});
