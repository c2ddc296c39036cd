/**
 * Measures the built plugin with log files of the driver's own, compared with a plugin whose tasks write into pipes
 * that a waiting reader has open, as an agent's collector has: starts to the first byte, whole lives, and memory
 * beside a task. As root, after `npm run build`: `node bench/ownLogs.ts [rounds]`.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { LaunchedPlugin } from "../src/grpc/pluginClient.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { loggersIn } from "../test/support/agent/loggers.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { percentile, printFigure, printTimes, pssOf, timed } from "./figures.ts";
import { firstByte, install, launch, runLives } from "./plugin.ts";

const rounds = Number(process.argv[2] ?? 200);
const pause = 10;
const base = mkdtempSync("/var/lib/exec2-bench-");

try {
  const executable = install(base);
  const launched = async (mode: string) => {
    const plugin = await launch({ state_dir: join(base, mode), log_collection: mode }, executable);
    const allocation = new Allocation();
    await prepareStart(plugin.driver, allocation.config("true"));
    return { plugin, allocation };
  };
  const [pipes, files] = [await launched("agent"), await launched("driver")];
  // Past the rehearsals of both.
  await delay(3_000);
  const times = { pipe: [] as number[], file: [] as number[] };
  for (let round = -20; round < rounds; round++) {
    const pipe = await firstByte(pipes.plugin, pipes.allocation);
    await delay(pause);
    const file = await firstByteInFile(files.plugin, files.allocation);
    await delay(pause);
    if (round < 0) continue;
    times.pipe.push(pipe.firstByte);
    times.file.push(file);
  }
  printTimes("StartTask to the first byte, in a pipe with a waiting reader", times.pipe);
  printTimes("StartTask to the first byte, in a file", times.file, times.pipe);
  const more = percentile(times.file, 0.5) / percentile(times.pipe, 0.5) - 1;
  printFigure("more to the first byte", `${(more * 100).toFixed(1)} %`);

  const lives = rounds * 2;
  for (const [meaning, { plugin, allocation }] of Object.entries({ pipes, files })) {
    const ms = await timed(() => runLives(plugin, [allocation], lives));
    printFigure(`lives of tasks one after another, ${meaning}`, `${(ms / lives).toFixed(2)} ms`);
  }
  await printMemory(files.plugin, files.allocation);
  for (const { plugin, allocation } of [pipes, files]) {
    await plugin.close();
    await allocation.remove();
  }
} finally {
  rmSync(base, { recursive: true });
}

/** @returns milliseconds from StartTask to the first byte in the task's log file */
async function firstByteInFile({ driver }: LaunchedPlugin, allocation: Allocation): Promise<number> {
  const { folder, taskName } = allocation;
  const text = `(${randomUUID()})`;
  const task = allocation.config({ command: "/bin/echo", args: [text] });
  const logs = `${folder}/alloc/logs`;
  const watcher = watch(logs);
  const begin = performance.now();
  const written = new Promise<number>((resolve) =>
    watcher.on("change", (event, name) => {
      if (event !== "change" || name !== `${taskName}.stdout.0`) return;
      if (readFileSync(`${logs}/${name}`, "utf8").includes(text)) resolve(performance.now() - begin);
    }),
  );
  await driver.startTask({ task });
  const ms = await written;
  watcher.close();
  await driver.waitTask({ taskId: task.id });
  await driver.destroyTask({ taskId: task.id, force: true });
  return ms;
}

/** Memory of the processes beside a task: its init and its logger, after some output. */
async function printMemory({ driver }: LaunchedPlugin, allocation: Allocation): Promise<void> {
  const task = allocation.config("seq 1 100000; exec sleep 60");
  await driver.startTask({ task });
  await delay(1_000);
  const status = await driver.inspectTask({ taskId: task.id });
  const pid = status.driver?.attributes.get("pid");
  const init = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  const [logger = 0] = loggersIn(`${allocation.folder}/alloc/logs`);
  printFigure("memory beside a task (PSS): init and logger", `${pssOf(init)} and ${pssOf(logger)} KiB`);
  await driver.destroyTask({ taskId: task.id, force: true });
}
