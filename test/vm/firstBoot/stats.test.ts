import assert from "node:assert/strict";
import { join } from "node:path";
import { toTaskId } from "../../../src/base/taskId.ts";
import {
  MemoryUsage_Fields as MemoryField,
  type MemoryUsage,
  type TaskResourceUsage,
} from "../../../src/grpc/generated/nomad/driver.ts";
import { usageSpans, usageText } from "../../../src/history/why/usage.ts";
import { readUsage } from "../../../src/store/usage/usageFile.ts";
import { until } from "../../support/host/until.ts";
import { cgroupCount } from "../support/cgroupFiles.ts";
import { describe, test } from "../support/runner.ts";
import { type RunningTask, startVmTask } from "../support/runningTask.ts";
import { mhzPerCore } from "../support/vmAgent.ts";

describe("stats", () => {
  test("a task's CPU usage is that of its limit, and throttling is reported", async () => {
    const limits = { cpuMhz: mhzPerCore / 4 };
    const task = await startVmTask({ command: "while :; do :; done", limits });
    const [, { cpu }] = await samples(task, 2, 4);
    assert.ok(cpu);
    assertNear(cpu.percent, 25);
    assertNear(cpu.totalTicks, limits.cpuMhz);
    assert.deepEqual(cpu.measuredFields, [0, 1, 2, 3, 4, 5]);
    // The kernel throttles the task for three quarters of each tenth of a second.
    assert.ok(cpu.throttledPeriods > 10, `${cpu.throttledPeriods} periods`);
    assertNear(cpu.throttledTime / 1e6 / cpu.throttledPeriods, 75);
    assert.ok(cgroupCount(task.cgroup, "cpu.stat", "nr_throttled") >= cpu.throttledPeriods);
  });

  test("a task's memory includes its programs, its files and kernel memory, with the present value and the peak", async () => {
    // Keeps 24 MiB, and uses 48 MiB more for a moment. The sizes are variables, because perl would allocate
    // constant results twice.
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

  test("samples of a task have its memory, processes, throttling and pressure, beside its limits", async () => {
    const limits = { cpuMhz: mhzPerCore / 4, memoryMb: 64 };
    const { agent, config } = await startVmTask({ command: "while :; do :; done", limits });
    const samples = () => readUsage(join(agent.stateDir, "events"), toTaskId(config.id));
    await until(() => samples().length >= 3, "three samples are taken");
    const [first, ...others] = usageSpans(samples());
    const span = others.at(-1) ?? first;
    assert.ok(span);
    assert.ok((span.cores ?? 0) > 0.1 && (span.cores ?? 0) < 0.4, `${span.cores} cores`);
    assert.ok((span.memoryBytes ?? 0) > 0 && (span.memoryBytes ?? 0) < 64 << 20, `${span.memoryBytes} bytes`);
    // The init and the shell.
    assert.equal(span.pids, 2);
    assert.ok((span.throttledMs ?? 0) > 0);
    assert.notEqual(span.waiting.memory, null);
    const text = usageText(samples(), {
      ...{ cores: 0.25, memoryBytes: 64 << 20, pids: null, diskBytes: null },
      ...{ readBytes: null, writtenBytes: null, reads: null, writes: null },
    });
    assert.match(
      text ?? "",
      /of 0\.25 cores on average and at most .* of 64 MiB of memory; its CPU limit held it back/,
    );
  });
});

/** The task's total usage in the first messages of a stream of statistics. */
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
