/**
 * Measures consecutive script checks in a running task: the time of each, compared with a bare spawn, and
 * their space in the event log. As root, after `npm run build`: `node bench/commands.ts [checks]
 * [executable]`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseStat, ticksPerSecond } from "../src/effects/processes/processStat.ts";
import { launchPlugin } from "../src/grpc/pluginClient.ts";
import { logFiles } from "../src/store/folder/logFolders.ts";
import { stateFolderPaths } from "../src/store/folder/stateFolder.ts";
import { openEventReader } from "../src/store/lmdb/eventReader.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { setConfig } from "../test/support/agent/requests.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { printFigure, printTimes, timed } from "./statistics.ts";

const checks = Number(process.argv[2] ?? 1000);
const executable = resolve(process.argv[3] ?? join(import.meta.dirname, "../dist/plugin/nomad-driver-exec2"));
const folder = mkdtempSync("/var/lib/exec2-bench-");
const stateDir = join(folder, "state");
const { events } = stateFolderPaths(stateDir);

try {
  const plugin = await launchPlugin({ command: executable });
  const { driver } = plugin;
  await plugin.base.setConfig(setConfig({ state_dir: stateDir }));
  await driver.init({});
  const allocation = new Allocation();
  const task = allocation.config({ command: "/bin/sleep", args: ["600"] });
  await driver.startTask({ task: await prepareStart(driver, task) });
  const check = () => driver.execTask({ taskId: task.id, command: ["/bin/true"] });
  // Not measured, because the first checks run code that is not compiled yet.
  for (let times = 0; times < 100; times++) await check();
  const before = await log(task.id);
  const spawns: number[] = [];
  const times: number[] = [];
  const cpuBefore = cpuMs(plugin.pid);
  for (let number = 0; number < checks; number++) {
    spawns.push(await timed(() => once(spawn("/bin/true"), "exit")));
    times.push(await timed(check));
  }
  const cpu = (cpuMs(plugin.pid) - cpuBefore) / checks;
  await driver.destroyTask({ taskId: task.id, force: true });
  const after = await log(task.id);
  printTimes("spawn of /bin/true", spawns);
  printTimes("script check of /bin/true", times, spawns);
  printFigure("processor time of the plugin a check", `${cpu.toFixed(2)} ms`);
  printFigure(`events of ${checks} checks and the end`, `${after.events - before.events}`);
  printFigure("growth of the log's file", `${after.bytes - before.bytes} bytes`);
  await plugin.close();
  await allocation.remove();
} finally {
  rmSync(folder, { recursive: true });
}

function cpuMs(pid: number): number {
  const { userTicks = 0, systemTicks = 0 } = parseStat(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? {};
  return ((userTicks + systemTicks) * 1000) / ticksPerSecond;
}

async function log(id: string): Promise<{ readonly events: number; readonly bytes: number }> {
  const reader = await openEventReader(events);
  const count = reader.version(id);
  await reader.close();
  return { events: count, bytes: statSync(logFiles(events).data).size };
}
