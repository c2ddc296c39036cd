/**
 * Measures the memory of the built plugin (PSS): before its first task, with 50 running tasks after 300
 * starts, and after 2,000 more tasks at full speed. Each round launches a new plugin and takes some 40 s. As
 * root, after `npm run build`: `node bench/memory.ts [rounds]`.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { idleMemoryMs } from "../src/effects/processes/idleMemory.ts";
import type { LaunchedPlugin } from "../src/grpc/pluginClient.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { formatMib, printFigure, pssOf, timed } from "./figures.ts";
import { install, launch, runLives } from "./plugin.ts";

const rounds = Number(process.argv[2] ?? 3);
const atATime = 8;
/** Time after which an idle plugin has returned unused memory. */
const restedMs = idleMemoryMs + 1_000;
/** Delay between the flood of tasks and the measurement of memory. */
const floodedMs = 10_000;
const base = mkdtempSync("/var/lib/exec2-bench-");
const allocations = Array.from({ length: atATime }, () => new Allocation());

try {
  const executable = install(base);
  for (let round = 0; round < rounds; round++) {
    const plugin = await launch({ state_dir: join(base, `round${round}`) }, executable);
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
  await runLives(plugin, allocations, 250);
  const running = Array.from({ length: 50 }, () =>
    allocation.config({ command: "/bin/sleep", args: ["600"] }),
  );
  for (const task of running) await plugin.driver.startTask({ task });
  await delay(restedMs);
  printFigure("with 50 tasks, after 300 starts", formatMib(pssOf(plugin.pid)));
  const inits = initsIn(allocation.cgroup.path);
  const average = inits.reduce((sum, init) => sum + pssOf(init), 0) / inits.length;
  printFigure("a task's init", `${average.toFixed(1)} KiB`);
  for (const task of running) await plugin.driver.destroyTask({ taskId: task.id, force: true });
  const ms = await timed(() => runLives(plugin, allocations, 2_000));
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
