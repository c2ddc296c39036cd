/**
 * Measures the built plugin from the agent's side: starts, stops and throughput, each compared with a
 * baseline of the same run. As root, after `npm run build`: `node bench/driver.ts [rounds]`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { idleMemoryMs } from "../src/effects/processes/idleMemory.ts";
import type { LaunchedPlugin } from "../src/grpc/pluginClient.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { BareNode } from "./bareNode.ts";
import { percentile, printFigure, printTimes, timed } from "./figures.ts";
import { firstByte, install, launch, runLives } from "./plugin.ts";
import { RawPlan } from "./rawPlan.ts";

const rounds = Number(process.argv[2] ?? 300);
const atATime = 8;
const pause = 10;
/** Time after a plugin's launch by which the plugin has returned the memory of its start-up. */
const restedMs = idleMemoryMs + 1_000;
const base = mkdtempSync("/var/lib/exec2-bench-");

try {
  const executable = install(base);
  const plugin = await launch({ state_dir: join(base, "bench") }, executable);
  const allocation = new Allocation();
  // Prepared once for all runs of the task, as for restarts.
  await prepareStart(plugin.driver, allocation.config("true"));
  await benchStarts(plugin, allocation);
  await benchStops(plugin, allocation);
  await benchThroughput(plugin);
  await plugin.close();
  await benchFirstStarts(allocation, executable);
  await allocation.remove();
} finally {
  rmSync(base, { recursive: true });
}

/**
 * Measures starts with pauses, as on a usual node, where processors go idle and caches fill with other data.
 * Then measures consecutive starts, as when a node gets many tasks.
 */
async function benchStarts(plugin: LaunchedPlugin, allocation: Allocation): Promise<void> {
  const bareNode = new BareNode();
  using raw = await RawPlan.of(allocation, base, { command: "/bin/echo", args: ["raw"] });
  for (const [meaning, pauseMs] of [
    ["with pauses", pause],
    ["one after another", 0],
  ] as const) {
    console.log(`starts ${meaning}:`);
    await benchStartsAt(pauseMs, plugin, allocation, { bareNode, raw });
  }
  printFigure(
    `plans alone, ${atATime} at a time`,
    `${raw.throughput(rounds * 2, atATime).toFixed(0)} a second`,
  );
  await bareNode.close();
}

async function benchStartsAt(
  pauseMs: number,
  plugin: LaunchedPlugin,
  allocation: Allocation,
  { bareNode, raw }: { readonly bareNode: BareNode; readonly raw: RawPlan },
): Promise<void> {
  const times = {
    spawn: [] as number[],
    raw: [] as number[],
    answer: [] as number[],
    firstByte: [] as number[],
  };
  for (let round = -20; round < rounds; round++) {
    const spawned = await bareNode.spawn();
    if (pauseMs > 0) await delay(pauseMs);
    const alone = raw.firstByte();
    if (pauseMs > 0) await delay(pauseMs);
    const started = await firstByte(plugin, allocation);
    if (pauseMs > 0) await delay(pauseMs);
    if (round < 0) continue;
    times.spawn.push(spawned);
    times.raw.push(alone);
    times.answer.push(started.answer);
    times.firstByte.push(started.firstByte);
  }
  printTimes("  baseline: bare Node spawns /bin/true", times.spawn);
  printTimes("  baseline: the plan alone, to the first byte", times.raw);
  printTimes("  StartTask to its answer", times.answer, times.spawn);
  printTimes("  StartTask to the task's first byte", times.firstByte, times.spawn);
  const beyond = percentile(times.firstByte, 0.5) / percentile(times.raw, 0.5);
  printFigure("  compared with the plan alone", `${beyond.toFixed(1)} ×`);
}

/** Measures the first start of a freshly launched, idle plugin, compared with its later starts. */
async function benchFirstStarts(allocation: Allocation, executable: string): Promise<void> {
  const [first, later]: [number[], number[]] = [[], []];
  for (let round = 0; round < 5; round++) {
    const plugin = await launch({ state_dir: join(base, "first") }, executable);
    await delay(restedMs);
    for (let start = 0; start < 20; start++) {
      const ms = (await firstByte(plugin, allocation)).firstByte;
      (start === 0 ? first : later).push(ms);
      await delay(pause);
    }
    await plugin.close();
  }
  printTimes("later starts of a fresh plugin, first byte", later);
  printTimes("its first start", first, later);
}

/** Measures the time from StopTask to its answer, for a task that ends at the signal. */
async function benchStops({ driver }: LaunchedPlugin, allocation: Allocation): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < Math.min(rounds, 100); round++) {
    const task = allocation.config({ command: "/bin/sleep", args: ["600"] });
    await driver.startTask({ task });
    await delay(pause);
    times.push(
      await timed(() => driver.stopTask({ taskId: task.id, timeout: { seconds: 5, nanos: 0 }, signal: "" })),
    );
    await driver.destroyTask({ taskId: task.id, force: true });
  }
  printTimes("StopTask of a task that ends at the signal", times);
}

/** Measures whole lives of tasks (start, wait, destroy), several at a time. */
async function benchThroughput(plugin: LaunchedPlugin): Promise<void> {
  const allocations = Array.from({ length: atATime }, () => new Allocation());
  for (const allocation of allocations) await prepareStart(plugin.driver, allocation.config("true"));
  const lives = rounds * 4;
  const ms = await timed(() => runLives(plugin, allocations, lives));
  printFigure(`tasks, ${atATime} at a time`, `${((lives / ms) * 1000).toFixed(0)} a second`);
  for (const allocation of allocations) await allocation.remove();
}
