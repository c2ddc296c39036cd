/**
 * Measures consecutive script checks in a running task: their duration, compared with a bare spawn, the
 * plugin's processor time, and their space in the event log. As root, after `npm run build`:
 * `node bench/commands.ts [checks] [executable]`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { logFiles } from "../src/store/folder/logFolders.ts";
import { stateFolderPaths } from "../src/store/folder/stateFolder.ts";
import { openEventReader } from "../src/store/lmdb/eventReader.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { printFigure, printTimes, threadsCpuMs, timed } from "./figures.ts";
import { built, launch } from "./plugin.ts";

const checks = Number(process.argv[2] ?? 1000);
const executable = resolve(process.argv[3] ?? built);
const folder = mkdtempSync("/var/lib/exec2-bench-");
const stateDir = join(folder, "state");
const { events } = stateFolderPaths(stateDir);

try {
  const plugin = await launch({ state_dir: stateDir }, executable);
  const { driver } = plugin;
  const allocation = new Allocation();
  const task = allocation.config({ command: "/bin/sleep", args: ["600"] });
  await driver.startTask({ task: await prepareStart(driver, task) });
  const check = () => driver.execTask({ taskId: task.id, command: ["/bin/true"] });
  // Not measured, because the first checks run code that is not compiled yet.
  for (let times = 0; times < 100; times++) await check();
  const before = await log(task.id);
  const spawns: number[] = [];
  const times: number[] = [];
  const cpuBefore = threadsCpuMs(plugin.pid);
  for (let number = 0; number < checks; number++) {
    spawns.push(await timed(() => once(spawn("/bin/true"), "exit")));
    times.push(await timed(check));
  }
  const cpu = (threadsCpuMs(plugin.pid) - cpuBefore) / checks;
  await driver.destroyTask({ taskId: task.id, force: true });
  const after = await log(task.id);
  printTimes("spawn of /bin/true", spawns);
  printTimes("script check of /bin/true", times, spawns);
  printFigure("processor time of the plugin per check", `${cpu.toFixed(2)} ms`);
  printFigure(`events of ${checks} checks and the end`, `${after.events - before.events}`);
  printFigure("growth of the log's file", `${after.bytes - before.bytes} bytes`);
  await plugin.close();
  await allocation.remove();
} finally {
  rmSync(folder, { recursive: true });
}

async function log(id: string): Promise<{ readonly events: number; readonly bytes: number }> {
  const reader = await openEventReader(events);
  const count = reader.version(id);
  await reader.close();
  return { events: count, bytes: statSync(logFiles(events).data).size };
}
