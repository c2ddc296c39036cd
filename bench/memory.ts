/**
 * Measures the memory of the built plugin (PSS) before its first task, with 50 tasks after 300, and after 2,000
 * tasks at full speed. Each round launches a new plugin and takes some 40 s. As root, after `npm run build`:
 * `node bench/memory.ts [rounds]`.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { idleMemoryMs } from "../src/effects/processes/idleMemory.ts";
import { type LaunchedPlugin, launchPlugin } from "../src/grpc/pluginClient.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { setConfig } from "../test/support/agent/requests.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { live } from "./lives.ts";
import { formatMib, printFigure, pssOf, timed } from "./statistics.ts";

const rounds = Number(process.argv[2] ?? 3);
const atATime = 8;
/** Time after which an idle plugin has returned unused memory. */
const restedMs = idleMemoryMs + 1_000;
/** Delay between the flood of tasks and the measurement of memory. */
const floodedMs = 10_000;
const built = join(import.meta.dirname, "../dist/plugin/nomad-driver-exec2");
const base = mkdtempSync("/var/lib/exec2-bench-");
/**
 * An installed copy, as on a node. Newer kernels count more memory for a file that was written at once, such
 * as the build.
 */
const executable = join(base, "plugins/nomad-driver-exec2");
const allocations = Array.from({ length: atATime }, () => new Allocation());

try {
  execFileSync(built, ["install", "--plugin-dir", join(base, "plugins")], { stdio: "ignore" });
  for (let round = 0; round < rounds; round++) {
    const plugin = await launchPlugin({ command: executable });
    await plugin.base.setConfig(setConfig({ state_dir: join(base, `round${round}`) }));
    await plugin.driver.init({});
    for (const allocation of allocations) await prepareStart(plugin.driver, allocation.config("true"));
    await benchRound(plugin);
    await plugin.close();
  }
} finally {
  for (const allocation of allocations) await allocation.remove();
  rmSync(base, { recursive: true });
}

async function benchRound(plugin: LaunchedPlugin): Promise<void> {
  const [allocation] = allocations as [Allocation];
  await delay(restedMs);
  printFigure("plugin without a task", formatMib(pssOf(plugin.pid)));
  await live(plugin, allocations, 250);
  const running = Array.from({ length: 50 }, () =>
    allocation.config({ command: "/bin/sleep", args: ["600"] }),
  );
  for (const task of running) await plugin.driver.startTask({ task });
  await delay(restedMs);
  printFigure("with 50 tasks, after 300", formatMib(pssOf(plugin.pid)));
  const inits = initsIn(allocation.cgroup.path);
  const beside = inits.reduce((sum, init) => sum + pssOf(init), 0) / inits.length;
  printFigure("a task's init", `${beside.toFixed(1)} KiB`);
  for (const task of running) await plugin.driver.destroyTask({ taskId: task.id, force: true });
  const ms = await timed(() => live(plugin, allocations, 2_000));
  const atOnce = formatMib(pssOf(plugin.pid));
  await delay(floodedMs);
  printFigure(
    `after 2,000 tasks, ${(2_000_000 / ms).toFixed(0)} a second`,
    `${atOnce}, ${floodedMs / 1_000} s later ${formatMib(pssOf(plugin.pid))}`,
  );
}

function initsIn(cgroup: string): number[] {
  const pids = readFileSync(`${cgroup}/cgroup.procs`, "utf8").split("\n").filter(Boolean).map(Number);
  return pids.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("exec2-init"));
}
