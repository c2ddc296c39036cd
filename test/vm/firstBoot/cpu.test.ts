import assert from "node:assert/strict";
import { pidOf, waitTask } from "../../support/agent/agent.ts";
import { setConfig } from "../../support/agent/requests.ts";
import { procStatus } from "../../support/host/processes.ts";
import { cgroupFile, coresUsed } from "../support/cgroupFiles.ts";
import { describe, test } from "../support/runner.ts";
import { startVmTask } from "../support/runningTask.ts";
import { mhzPerCore, startVmAgent } from "../support/vmAgent.ts";

const busy = "while :; do :; done";
const twiceBusy = `(${busy}) & ${busy}`;

describe("cpu", () => {
  test("a busy loop gets its MHz as a share of a core", async () => {
    const { cgroup } = await startVmTask({ command: busy, limits: { cpuMhz: mhzPerCore / 4 } });
    assertNear(await coresUsed(cgroup), 0.25);
  });

  test("a task with more MHz than one core has gets more than one core", async () => {
    const { cgroup } = await startVmTask({ command: twiceBusy, limits: { cpuMhz: mhzPerCore * 1.4 } });
    assertNear(await coresUsed(cgroup), 1.4);
  });

  test("the same MHz are a larger share of slower cores", async () => {
    const agent = await startVmAgent({});
    // Without cpu_total_compute in the configuration, the cores' own speeds count.
    const request = setConfig({ state_dir: agent.stateDir });
    const topology = request.nomadConfig?.driver?.Topology;
    assert.ok(topology);
    topology.overrideTotalCompute = 0;
    for (const core of topology.cores) core.baseSpeed = 1600;
    await agent.base.setConfig(request);
    const { cgroup } = await startVmTask({ agent, command: busy, limits: { cpuMhz: 800 } });
    assertNear(await coresUsed(cgroup), 0.5);
  });

  test("a task with reserved cores has all of them to itself", async () => {
    const { agent, cgroup, config } = await startVmTask({
      command: twiceBusy,
      limits: { cores: "1", cpuMhz: mhzPerCore / 2 },
    });
    const status = procStatus(await pidOf(agent, config));
    assert.equal(status.Cpus_allowed_list, "1");
    assert.equal(cgroupFile(cgroup, "cpu.max").split(" ")[0], "max");
    assertNear(await coresUsed(cgroup), 1);
  });

  test("without a hard limit a task uses idle cores, and gets its share when other tasks compete", async () => {
    const command = { command: "sh", args: ["-c", busy], cpu_hard_limit: false };
    const alone = await startVmTask({ command, limits: { cpuMhz: mhzPerCore / 8 } });
    assert.equal(cgroupFile(alone.cgroup, "cpu.max").split(" ")[0], "max");
    assert.equal(cgroupFile(alone.cgroup, "cpu.weight"), "13");
    assertNear(await coresUsed(alone.cgroup), 1);
  });

  test("GOMAXPROCS has the number of cores that a task may use", async () => {
    const command = 'test "$GOMAXPROCS" = "$WANTED"';
    for (const [limits, wanted] of [
      [{ cpuMhz: mhzPerCore * 1.4 }, "2"],
      [{ cpuMhz: mhzPerCore, cores: "1" }, "1"],
    ] as const) {
      const { agent, config } = await startVmTask({
        command,
        limits,
        differing: { env: { WANTED: wanted } },
      });
      assert.partialDeepStrictEqual(await waitTask(agent, config), { exitCode: 0 });
    }
  });

  test("on a busy core, tasks share time in proportion to their MHz", async () => {
    const limits = { cores: "1" };
    const less = await startVmTask({ command: busy, limits: { ...limits, cpuMhz: mhzPerCore / 8 } });
    const more = await startVmTask({ command: busy, limits: { ...limits, cpuMhz: (mhzPerCore / 8) * 3 } });
    const used = await Promise.all([coresUsed(less.cgroup, 6000), coresUsed(more.cgroup, 6000)]);
    assertNear(used[0] / (used[0] + used[1]), 0.25);
  });
});

/** Within 15 %. */
function assertNear(measured: number, expected: number): void {
  const text = `${measured.toFixed(3)} where ${expected} ± 15 % was expected`;
  assert.ok(Math.abs(measured - expected) <= expected * 0.15, text);
}
