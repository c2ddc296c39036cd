/**
 * Measures the CPU time that the built plugin needs to report tasks' usage and to watch for OOM kills,
 * compared with the same plugin and tasks without a reader. As root, after `npm run build`: `node
 * bench/stats.ts [tasks] [seconds]`.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { launchPlugin } from "../src/grpc/pluginClient.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { setConfig } from "../test/support/agent/requests.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { cpuOver } from "./cpuTime.ts";
import { printFigure } from "./statistics.ts";

const tasks = Number(process.argv[2] ?? 50);
const seconds = Number(process.argv[3] ?? 20);
const executable = join(import.meta.dirname, "../dist/plugin/nomad-driver-exec2");
const base = mkdtempSync("/var/lib/exec2-bench-");
const plugin = await launchPlugin({ command: executable });
const allocations: Allocation[] = [];

try {
  const { driver } = plugin;
  await plugin.base.setConfig(setConfig({ state_dir: join(base, "state") }));
  await driver.init({});
  const ids: string[] = [];
  for (let count = 0; count < tasks; count++) {
    const allocation = new Allocation();
    allocations.push(allocation);
    // Two processes besides init, one of them busy.
    const config = allocation.config("sleep 1000 & while sleep 0.1; do :; done", {});
    const task = await prepareStart(driver, config);
    await driver.startTask({ task });
    ids.push(task.id);
  }
  // The watches for OOM kills begin a second after the start.
  await delay(3_000);
  printFigure(`inotify descriptors of the plugin with ${tasks} tasks`, String(inotifyDescriptors()));
  printFigure("CPU of the plugin, no reader", `${percent(await cpuOver(plugin.pid, seconds))} % of a core`);

  let samples = 0;
  const streams = ids.map((taskId) =>
    driver
      .taskStats({ taskId, collectionInterval: { seconds: 1, nanos: 0 } })
      .on("data", () => samples++)
      .on("error", () => undefined),
  );
  await delay(2_000);
  samples = 0;
  const used = await cpuOver(plugin.pid, seconds);
  printFigure(`CPU of the plugin, ${tasks} streams of stats each second`, `${percent(used)} % of a core`);
  printFigure("samples a second", (samples / seconds).toFixed(1));
  printFigure("CPU a sample", `${((used * seconds * 1000) / samples).toFixed(2)} ms`);
  for (const stream of streams) stream.cancel();
  await delay(1_000);
  printFigure(
    "CPU of the plugin, no reader any more",
    `${percent(await cpuOver(plugin.pid, seconds))} % of a core`,
  );
} finally {
  for (const allocation of allocations) await allocation.remove();
  await plugin.close();
  rmSync(base, { recursive: true });
}

function inotifyDescriptors(): number {
  const folder = `/proc/${plugin.pid}/fdinfo`;
  return readdirSync(folder).filter((fd) => readFileSync(`${folder}/${fd}`, "utf8").includes("inotify"))
    .length;
}

function percent(cores: number): string {
  return (cores * 100).toFixed(2);
}
