/**
 * Measures a node with many running tasks, for each of the given numbers of tasks: what the tasks cost the
 * plugin, and how long a killed plugin's successor takes to recover them. Finally, all tasks end while no
 * plugin runs, and are recovered. The baseline is a bare Node that starts and exits.
 *
 * As root, after `npm run build`: `node bench/fleet.ts [tasks,…] [seconds] [part,…]`. The parts are recovery,
 * rest, statistics and ends. All parts together take five minutes.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { idleMemoryMs } from "../src/effects/processes/idleMemory.ts";
import type { TaskHandle } from "../src/grpc/generated/nomad/driver.ts";
import type { LaunchedPlugin } from "../src/grpc/pluginClient.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { setConfig } from "../test/support/agent/requests.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { EventLoopDelay } from "./eventLoopDelay.ts";
import { cpuOver, formatMib, printFigure, printTimes, pssOf, threadsCpuMs, timed } from "./figures.ts";
import { install, kill, launch } from "./plugin.ts";

const sizes = (process.argv[2] ?? "50,1000").split(",").map(Number);
const seconds = Number(process.argv[3] ?? 60);
const parts = process.argv[4]?.split(",") ?? ["recovery", "rest", "statistics", "ends"];
const rounds = 5;
/** Time after which a plugin has returned the memory that its starts needed. */
const restedMs = idleMemoryMs + 2_000;
const base = mkdtempSync("/var/lib/exec2-bench-");
/** Users of a thousand allocations are drawn at random, so some have the same. */
const options = { state_dir: join(base, "state"), shared_dynamic_ids: "warn" };
const executable = install(base);
const allocations: Allocation[] = [];
const handles: TaskHandle[] = [];

// Tasks outlive their plugin, so a bench that is interrupted removes them.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, async () => {
    await removeAll();
    process.exit(1);
  });
}

try {
  let plugin = await launch(options, executable);
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
  await kill(plugin);
  if (parts.includes("ends")) await benchEnds();
} finally {
  await removeAll();
}

async function removeAll(): Promise<void> {
  for (const allocation of allocations) await allocation.remove();
  rmSync(base, { recursive: true });
}

async function start({ driver }: LaunchedPlugin): Promise<void> {
  const allocation = new Allocation();
  allocations.push(allocation);
  const task = await prepareStart(driver, allocation.config({ command: "/bin/sleep", args: ["86400"] }));
  const { handle } = await driver.startTask({ task });
  if (handle === undefined) throw new Error("a start without a handle");
  handles.push(handle);
}

/** Kills and launches the plugin repeatedly, and recovers all tasks. @returns the last plugin */
async function benchRecovery(): Promise<LaunchedPlugin> {
  const times = { bareNode: [] as number[], configured: [] as number[], all: [] as number[] };
  const [each, cpuOfEach]: [number[], number[]] = [[], []];
  for (let round = 1; ; round++) {
    times.bareNode.push(await timed(() => once(spawn(process.execPath, ["-e", "0"]), "exit")));
    const begin = performance.now();
    const plugin = await launch(options, executable);
    times.configured.push(performance.now() - begin);
    const cpuBefore = threadsCpuMs(plugin.pid);
    each.push(...(await recoverAll(plugin)));
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

/** Ends all tasks while no plugin runs, and recovers them twice. Only the first plugin records their ends. */
async function benchEnds(): Promise<void> {
  const processesOf = () => allocations.flatMap(({ cgroup }) => cgroup.processes());
  for (const pid of processesOf()) {
    if (readFileSync(`/proc/${pid}/comm`, "utf8") === "sleep\n") process.kill(pid);
  }
  while (processesOf().length > 0) await delay(100);
  console.log(`${handles.length} tasks that have ended:`);
  for (const what of ["ended unseen", "were over before"]) {
    const begin = performance.now();
    const plugin = await launch(options, executable);
    printFigure(`  launch to configured, they ${what}`, `${(performance.now() - begin).toFixed(0)} ms`);
    printTimes(`  RecoverTask of each, they ${what}`, await recoverAll(plugin));
    await kill(plugin);
  }
}

/** Recovers one task after another, as a restarted agent does. @returns the durations in milliseconds */
async function recoverAll({ driver }: LaunchedPlugin): Promise<number[]> {
  const times: number[] = [];
  for (const handle of handles) times.push(await timed(() => driver.recoverTask({ taskId: "", handle })));
  return times;
}

/** Measures the CPU at rest, with usage samples and without. */
async function benchAtRest({ pid, base: { setConfig: configure } }: LaunchedPlugin): Promise<void> {
  for (const [usage_interval, what] of [
    ["1m", ""],
    ["0", ", no samples of use"],
  ]) {
    await configure(setConfig({ ...options, usage_interval }));
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
