import { describe, expect, test } from "vitest";
import { capabilitySet } from "../../../src/effects/kernel/capabilities.ts";
import { readKernelFile } from "../../../src/effects/kernel/kernelFiles.ts";
import { startAgent, startedTask, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";

/** Two programs that want the same processor: one of them always waits. */
const competing = {
  command: "sh",
  args: ["-c", "taskset -p -c 0 $$ > /dev/null; while :; do :; done & while :; do :; done"],
};
/** Every process may have a trigger with this window. */
const slow = "some 50ms 2s";
/** A busy machine lets every task wait at its start. */
const slowest = "some 1900ms 2s";

async function stallsOf({ stateDir }: { readonly stateDir: string }, taskId: string) {
  const events = await eventsOf(stateDir, taskId);
  return events.filter(({ type }) => type === "stalled").map(({ data }) => data);
}

describe("pressure", () => {
  test("is told when a task stalls, in its log and as a task event, and again by the next plugin", async () => {
    const first = await startAgent();
    const told = collect(first.driver.taskEvents({}));
    const calm = await startedTask(first, { command: "sleep", args: ["1000"], pressure: [{ cpu: slowest }] });
    const { config, handle } = await startedTask(first, { ...competing, pressure: [{ cpu: slow }] });
    await eventually(async () => expect(await stallsOf(first, config.id)).toHaveLength(1));
    expect(await stallsOf(first, config.id)).toEqual([
      {
        ...{ resource: "cpu", kind: "some", stallMs: 50, windowMs: 2_000 },
        ...{ waitedMs: expect.any(Number), spanMs: expect.any(Number) },
      },
    ]);
    await eventually(() =>
      expect(told.messages.filter(({ message }) => message.startsWith("Stalled"))).toEqual([
        expect.objectContaining({
          taskId: config.id,
          message:
            "Stalled: some of its processes waited for CPU, together 50 ms within 2 s; the task keeps running",
          annotations: new Map([["stalled", "cpu"]]),
        }),
      ]),
    );
    await first.crash();
    const next = await startAgent({ stateDir: first.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    await eventually(async () => expect(await stallsOf(next, config.id)).toHaveLength(2));
    expect(await stallsOf(next, calm.config.id)).toEqual([]);
  });

  test("of a window that the kernel refuses keeps the task from starting, with what to write", async () => {
    const agent = await startAgent();
    const config = makeAllocation().config({ command: "true", pressure: [{ memory: "full 150ms 1s" }] });
    const mask = BigInt(`0x${/^CapEff:\t(\S+)$/m.exec(readKernelFile("/proc/self/status") ?? "")?.[1]}`);
    const started = startTask(agent, config);
    if (mask & capabilitySet(["sys_resource"])) await started;
    else await expect(started).rejects.toThrow(/pressure cannot be watched.*use one of these/);
  });
});
