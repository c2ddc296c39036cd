/**
 * Measures the cost of recording denials, with the host's audit on and off: starts without denials, and a
 * task that causes denials without a pause. As root, after `npm run build`, on a kernel with Landlock ABI 7
 * and audit: `node bench/denials.ts [starts] [executable]`. It turns the host's audit on and off.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { stateFolderPaths } from "../src/store/folder/stateFolder.ts";
import { openEventReader } from "../src/store/lmdb/eventReader.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { setConfig } from "../test/support/agent/requests.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { EventLoopDelay } from "./eventLoopDelay.ts";
import { cpuOver, printFigure, printTimes, timed } from "./figures.ts";
import { built, launch, life } from "./plugin.ts";

const starts = Number(process.argv[2] ?? 200);
const executable = resolve(process.argv[3] ?? built);
const folder = mkdtempSync("/var/lib/exec2-bench-");
const stateDir = join(folder, "state");
const { events } = stateFolderPaths(stateDir);
const seconds = 5;
/** Opens a refused file as often as possible, and writes the number of attempts. */
const flood =
  '$n = 0; $end = time + 9; while (time < $end) { for (1 .. 1000) { open F, "<", "/etc/passwd"; $n++ } } print $n';

const options = (denials: "on" | "off") => ({ state_dir: stateDir, root: "host", denials });
const plugin = await launch(options("off"), executable);
const { driver } = plugin;
const configure = (denials: "on" | "off") => plugin.base.setConfig(setConfig(options(denials)));
const allocation = new Allocation();

try {
  await prepareStart(driver, allocation.config("true"));
  for (let number = 0; number < 50; number += 1) await start();
  const times: Record<"on" | "off", number[]> = { on: [], off: [] };
  for (let round = 0; round < 10; round += 1) {
    for (const mode of Math.random() < 0.5 ? (["off", "on"] as const) : (["on", "off"] as const)) {
      await configure(mode);
      for (let number = 0; number < starts / 10; number += 1) times[mode].push(await timed(start));
    }
  }
  printTimes("start and end of /bin/true, audit off", times.off);
  printTimes("start and end of /bin/true, audit on", times.on, times.off);
  for (const mode of ["off", "on"] as const) await measureFlood(mode);
} finally {
  await configure("off");
  await plugin.close();
  await allocation.remove();
  rmSync(folder, { recursive: true });
}

function start(): Promise<number> {
  return life(plugin, allocation.config({ command: "/bin/true" }));
}

async function measureFlood(mode: "on" | "off"): Promise<void> {
  await configure(mode);
  const before = (await allocation.stdout.text()).length;
  const task = allocation.config({ command: "/usr/bin/perl", args: ["-e", flood] });
  await driver.startTask({ task: await prepareStart(driver, task) });
  await delay(1_000);
  const delays = await EventLoopDelay.of(plugin.pid);
  const cores = await cpuOver(plugin.pid, seconds);
  const { max, p99 } = await delays.close();
  await driver.waitTask({ taskId: task.id });
  // Waits until the plugin has read the records that still wait in the kernel.
  await delay(8_000);
  const denied = await lastDenied(task.id);
  await driver.destroyTask({ taskId: task.id, force: true });
  const count = Number((await allocation.stdout.text()).slice(before));
  printFigure(`denials a second, audit ${mode}`, `${Math.round(count / 9)}`);
  printFigure("processor of the plugin", `${(cores * 100).toFixed(1)} % of a core`);
  printFigure("turn of its event loop, longest and p99", `${max.toFixed(1)} and ${p99.toFixed(1)} ms`);
  if (denied !== undefined) printFigure("denials in the history, of all", `${denied} of ${count}`);
}

async function lastDenied(id: string): Promise<number | undefined> {
  const reader = await openEventReader(events);
  try {
    let sum: number | undefined;
    for (const { type, data } of reader.readStream(id)) {
      if (type !== "denied") continue;
      const { refusals, others, lost } = data as {
        refusals: { count: number }[];
        others: number;
        lost: number;
      };
      sum = refusals.reduce((total, { count }) => total + count, others + lost);
    }
    return sum;
  } finally {
    await reader.close();
  }
}
