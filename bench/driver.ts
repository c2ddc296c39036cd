/**
 * Measures the built plugin from the agent's side: starts, stops and throughput, each compared with a
 * baseline of the same run. As root, after `npm run build`: `node bench/driver.ts [rounds]`.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { idleMemoryMs } from "../src/effects/processes/idleMemory.ts";
import { type LaunchedPlugin, launchPlugin } from "../src/grpc/pluginClient.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { setConfig } from "../test/support/agent/requests.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { BareNode } from "./bareNode.ts";
import { live } from "./lives.ts";
import { RawPlan } from "./rawPlan.ts";
import { percentile, printFigure, printTimes, timed } from "./statistics.ts";

const rounds = Number(process.argv[2] ?? 300);
const atATime = 8;
const pause = 10;
/** Time after its launch by which a plugin has returned the memory of its start-up. */
const restedMs = idleMemoryMs + 1_000;
const built = join(import.meta.dirname, "../dist/plugin/nomad-driver-exec2");
const base = mkdtempSync("/var/lib/exec2-bench-");
/**
 * An installed copy, as on a node. The build writes its file at once, into large folios of the page cache,
 * and newer kernels (Linux 6.18) map these as a whole. The plugin would then seem to use 25 MiB more.
 */
const executable = join(base, "plugins/nomad-driver-exec2");

try {
  execFileSync(built, ["install", "--plugin-dir", join(base, "plugins")], { stdio: "ignore" });
  const plugin = await launch();
  await configure(plugin, "bench");
  const allocation = new Allocation();
  // Prepared once for all runs of the task, as for restarts.
  await prepareStart(plugin.driver, allocation.config("true"));
  await benchStarts(plugin, allocation);
  await benchStops(plugin, allocation);
  await benchThroughput(plugin);
  await plugin.close();
  await benchFirstStarts(allocation);
  await allocation.remove();
} finally {
  rmSync(base, { recursive: true });
}

function launch(): Promise<LaunchedPlugin> {
  return launchPlugin({ command: executable });
}

async function configure({ base: service, driver }: LaunchedPlugin, name: string): Promise<void> {
  await service.setConfig(setConfig({ state_dir: join(base, name) }));
  await driver.init({});
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
  { driver }: LaunchedPlugin,
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
    const text = `(${pauseMs} ${round})`;
    const task = allocation.config({ command: "/bin/echo", args: [text] });
    const begin = performance.now();
    const output = allocation.stdout.contains(text).then(() => performance.now() - begin);
    await driver.startTask({ task });
    const answer = performance.now() - begin;
    const firstByte = await output;
    await driver.waitTask({ taskId: task.id });
    await driver.destroyTask({ taskId: task.id, force: true });
    if (pauseMs > 0) await delay(pauseMs);
    if (round < 0) continue;
    times.spawn.push(spawned);
    times.raw.push(alone);
    times.answer.push(answer);
    times.firstByte.push(firstByte);
  }
  printTimes("  baseline: bare Node spawns /bin/true", times.spawn);
  printTimes("  baseline: the plan alone, to the first byte", times.raw);
  printTimes("  StartTask to its answer", times.answer, times.spawn);
  printTimes("  StartTask to the task's first byte", times.firstByte, times.spawn);
  const beyond = percentile(times.firstByte, 0.5) / percentile(times.raw, 0.5);
  printFigure("  that, beside the plan alone", `${beyond.toFixed(1)} ×`);
}

/** Measures the first start of a freshly launched, idle plugin, compared with its later ones. */
async function benchFirstStarts(allocation: Allocation): Promise<void> {
  const [first, later]: [number[], number[]] = [[], []];
  for (let round = 0; round < 5; round++) {
    const plugin = await launch();
    await configure(plugin, "first");
    await delay(restedMs);
    for (let start = 0; start < 20; start++) {
      const ms = await timeToFirstByte(plugin, allocation, `(first ${round} ${start})`);
      (start === 0 ? first : later).push(ms);
      await delay(pause);
    }
    await plugin.close();
  }
  printTimes("later starts of a fresh plugin, first byte", later);
  printTimes("its first start", first, later);
}

async function timeToFirstByte(
  { driver }: LaunchedPlugin,
  allocation: Allocation,
  text: string,
): Promise<number> {
  const task = allocation.config({ command: "/bin/echo", args: [text] });
  const ms = await timed(() => Promise.all([allocation.stdout.contains(text), driver.startTask({ task })]));
  await driver.waitTask({ taskId: task.id });
  await driver.destroyTask({ taskId: task.id, force: true });
  return ms;
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
  const ms = await timed(() => live(plugin, allocations, lives));
  printFigure(`tasks, ${atATime} at a time`, `${((lives / ms) * 1000).toFixed(0)} a second`);
  for (const allocation of allocations) await allocation.remove();
}
