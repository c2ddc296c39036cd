/**
 * Measures a node with many running tasks, for each of the given numbers of tasks: their cost for the plugin,
 * and how soon a killed plugin's successor has recovered them. The baseline is a bare Node that starts and
 * exits. As root, after `npm run build`: `node bench/fleet.ts [tasks,…] [seconds] [part,…]`. All takes five
 * minutes; the parts are recovery, rest and statistics.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { idleMemoryMs } from "../src/effects/processes/idleMemory.ts";
import type { TaskHandle } from "../src/grpc/generated/nomad/driver.ts";
import { type LaunchedPlugin, launchPlugin } from "../src/grpc/pluginClient.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { setConfig } from "../test/support/agent/requests.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { cpuOver, threadsCpuMs } from "./cpuTime.ts";
import { EventLoopDelay } from "./eventLoopDelay.ts";
import { formatMib, printFigure, printTimes, pssOf, timed } from "./statistics.ts";

const sizes = (process.argv[2] ?? "50,1000").split(",").map(Number);
const seconds = Number(process.argv[3] ?? 60);
const parts = process.argv[4]?.split(",") ?? ["recovery", "rest", "statistics"];
const rounds = 5;
/** Time by which a plugin has returned the memory that its starts needed. */
const restedMs = idleMemoryMs + 2_000;
const built = join(import.meta.dirname, "../dist/plugin/nomad-driver-exec2");
const base = mkdtempSync("/var/lib/exec2-bench-");
/**
 * An installed copy, as on a node: newer kernels count more memory for a file that was written at once, as
 * the build's is.
 */
const executable = join(base, "plugins/nomad-driver-exec2");
const allocations: Allocation[] = [];
const handles: TaskHandle[] = [];

// Tasks outlive their plugin, so a bench that is cut off removes them.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, async () => {
    await removeAll();
    process.exit(1);
  });
}

try {
  execFileSync(built, ["install", "--plugin-dir", join(base, "plugins")], { stdio: "ignore" });
  let plugin = await launch();
  for (const size of sizes.toSorted((a, b) => a - b)) {
    while (handles.length < size) await start(plugin);
    console.log(`${size} running tasks:`);
    await delay(restedMs);
    printFigure("  the plugin that started them (PSS)", formatMib(pssOf(plugin.pid)));
    if (parts.includes("recovery")) {
      await kill(plugin);
      plugin = await benchRecovery();
      await delay(restedMs);
      printFigure("  the plugin that recovered them (PSS)", formatMib(pssOf(plugin.pid)));
    }
    if (parts.includes("rest")) await benchAtRest(plugin);
    if (parts.includes("statistics")) await benchStats(plugin);
  }
  await plugin.close();
} finally {
  await removeAll();
}

async function removeAll(): Promise<void> {
  for (const allocation of allocations) await allocation.remove();
  rmSync(base, { recursive: true });
}

async function launch(): Promise<LaunchedPlugin> {
  const plugin = await launchPlugin({ command: executable });
  await plugin.base.setConfig(setConfig({ state_dir: join(base, "state") }));
  await plugin.driver.init({});
  return plugin;
}

async function start({ driver }: LaunchedPlugin): Promise<void> {
  const allocation = new Allocation();
  allocations.push(allocation);
  const task = await prepareStart(driver, allocation.config({ command: "/bin/sleep", args: ["86400"] }));
  const { handle } = await driver.startTask({ task });
  if (handle === undefined) throw new Error("a start without a handle");
  handles.push(handle);
}

/** Launches a plugin and recovers one task after another, as a restarted agent does. */
async function benchRecovery(): Promise<LaunchedPlugin> {
  const times = { bareNode: [] as number[], configured: [] as number[], all: [] as number[] };
  const [each, cpuOfEach]: [number[], number[]] = [[], []];
  for (let round = 1; ; round++) {
    times.bareNode.push(await timed(() => once(spawn(process.execPath, ["-e", "0"]), "exit")));
    const begin = performance.now();
    const plugin = await launch();
    times.configured.push(performance.now() - begin);
    const cpuBefore = threadsCpuMs(plugin.pid);
    for (const handle of handles)
      each.push(await timed(() => plugin.driver.recoverTask({ taskId: "", handle })));
    times.all.push(performance.now() - begin);
    cpuOfEach.push((threadsCpuMs(plugin.pid) - cpuBefore) / handles.length);
    if (round === rounds) {
      printTimes("  baseline: node -e 0", times.bareNode);
      printTimes("  killed: launch to configured", times.configured, times.bareNode);
      printTimes("  killed: launch to all recovered", times.all, times.bareNode);
      printTimes("  RecoverTask of each", each);
      printTimes("  its processor time", cpuOfEach);
      return plugin;
    }
    await kill(plugin);
  }
}

/** Measures the CPU at rest, with usage samples and without. */
async function benchAtRest({ pid, base: { setConfig: configure } }: LaunchedPlugin): Promise<void> {
  for (const [usage_interval, what] of [
    ["1m", ""],
    ["0", ", no samples of use"],
  ]) {
    await configure(setConfig({ state_dir: join(base, "state"), usage_interval }));
    printFigure(`  CPU at rest${what}`, `${((await cpuOver(pid, seconds)) * 100).toFixed(2)} % of a core`);
  }
}

/** Measures statistics: each task has a reader with an interval of a second, as agents have. */
async function benchStats({ pid, driver }: LaunchedPlugin): Promise<void> {
  let samples = 0;
  const streams = handles.map(({ config }) =>
    driver
      .taskStats({ taskId: config?.id ?? "", collectionInterval: { seconds: 1, nanos: 0 } })
      .on("data", () => samples++)
      .on("error", () => undefined),
  );
  await delay(3_000);
  const loop = await EventLoopDelay.of(pid);
  samples = 0;
  const cpu = await cpuOver(pid, seconds);
  const { max, p99 } = await loop.close();
  printFigure(
    "  statistics of all each second",
    `${(cpu * 100).toFixed(1)} % of a core, ${((cpu * seconds * 1000) / samples).toFixed(3)} ms a sample (${samples})`,
  );
  printFigure(
    "  longest turn of the event loop",
    `${max.toFixed(1)} ms in ${seconds} s (p99 ${p99.toFixed(1)})`,
  );
  for (const stream of streams) stream.cancel();
}

async function kill(plugin: LaunchedPlugin): Promise<void> {
  process.kill(plugin.pid, "SIGKILL");
  await plugin.exited;
  plugin.disconnect();
}
