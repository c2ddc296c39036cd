import assert from "node:assert/strict";
import {
  MemoryUsage_Fields as MemoryField,
  type MemoryUsage,
  type TaskResourceUsage,
} from "../../../src/grpc/generated/nomad/driver.ts";
import { cgroupCount } from "../support/cgroupFiles.ts";
import { describe, test } from "../support/runner.ts";
import { type RunningTask, startVmTask } from "../support/runningTask.ts";
import { mhzPerCore } from "../support/vmAgent.ts";

describe("stats", () => {
  test("a task's CPU is what its limit lets it have, and throttling is told", async () => {
    const limits = { cpuMhz: mhzPerCore / 4 };
    const task = await startVmTask({ command: "while :; do :; done", limits });
    const [, { cpu }] = await samples(task, 2, 4);
    assert.ok(cpu);
    assertNear(cpu.percent, 25);
    assertNear(cpu.totalTicks, limits.cpuMhz);
    assert.deepEqual(cpu.measuredFields, [0, 1, 2, 3, 4, 5]);
    // Of each tenth of a second it is held back for three quarters.
    assert.ok(cpu.throttledPeriods > 10, `${cpu.throttledPeriods} periods`);
    assertNear(cpu.throttledTime / 1e6 / cpu.throttledPeriods, 75);
    assert.ok(cgroupCount(task.cgroup, "cpu.stat", "nr_throttled") >= cpu.throttledPeriods);
  });

  test("a task's memory is that of its programs, its files and the kernel, now and at most", async () => {
    // 24 MiB held, 48 MiB more for a moment; sizes that are constants perl would hold twice.
    const program = `$| = 1; my ($a, $b) = (24, 48);
      my $held = "x" x ($a << 20); { my $more = "y" x ($b << 20); undef $more }
      print "up\\n"; sleep 1000;`;
    const task = await startVmTask({ command: { command: "perl", args: ["-e", program] } });
    await task.allocation.stdout.contains("up\n");
    const [{ memory }] = await samples(task, 1, 1);
    assert.ok(memory);
    const held = 24 << 20;
    assert.ok(memory.rss >= held && memory.rss < 2 * held, `rss ${memory.rss}`);
    assert.ok(memory.usage >= memory.rss, `usage ${memory.usage}`);
    assert.ok(memory.maxUsage > 3 * held, `at most ${memory.maxUsage}`);
    assert.ok(memory.kernelUsage > 0 && memory.kernelUsage < held, `kernel ${memory.kernelUsage}`);
    assert.equal(memory.swap, 0);
    assert.deepEqual(namesOf(memory), ["RSS", "CACHE", "MAX_USAGE", "KERNEL_USAGE", "USAGE", "SWAP"]);
  });
});

/** What the first messages of a stream of stats tell of the task as a whole. */
async function samples({ agent, config }: RunningTask, count: number, seconds: number) {
  const interval = { seconds, nanos: 0 };
  const stream = agent.driver.taskStats({ taskId: config.id, collectionInterval: interval });
  const told: TaskResourceUsage[] = [];
  for await (const { stats } of stream) {
    if (stats?.aggResourceUsage) told.push(stats.aggResourceUsage);
    if (told.length === count) break;
  }
  return told as [TaskResourceUsage, TaskResourceUsage];
}

function namesOf({ measuredFields }: MemoryUsage): string[] {
  return Object.entries(MemoryField).flatMap(([name, field]) => (measuredFields.includes(field) ? name : []));
}

/** Within 20 %. */
function assertNear(measured: number, expected: number): void {
  const text = `${measured.toFixed(1)} where ${expected} ± 20 % was expected`;
  assert.ok(Math.abs(measured - expected) <= expected * 0.2, text);
}
