/**
 * Measures scrapes of the inspector and of the plugin, with many ended tasks in the log and a thousand
 * running tasks. Prints the duration (compared with that of a one-line answer), the CPU time, and the longest
 * turn of the event loop. The inspector's running tasks are simulated: they share one process, and each has
 * its own cgroup. The plugin's tasks are real. As root, after `npm run build`:
 * `node bench/metrics.ts [ended] [running]`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { get, type RequestOptions } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findCgroup2Mount } from "../src/effects/cgroup/cgroup.ts";
import { idleMemoryMs } from "../src/effects/processes/idleMemory.ts";
import { bootId, processIdentity } from "../src/effects/processes/processIdentity.ts";
import { stateFolderPaths } from "../src/store/folder/stateFolder.ts";
import { openEventStore } from "../src/store/lmdb/lmdbEventStore.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { allLives, event, life } from "../test/support/history/history.ts";
import { recorderOf } from "../test/support/history/recorder.ts";
import { idOf } from "../test/support/screen/inspector.ts";
import { EventLoopDelay } from "./eventLoopDelay.ts";
import { cpuMs, printFigure, printTimes, timed, timesOf } from "./figures.ts";
import { built, launch } from "./plugin.ts";

const ended = Number(process.argv[2] ?? 10_000);
const running = Number(process.argv[3] ?? 1_000);
const rounds = 20;
/** Time after which the plugin and the inspector have returned unused memory. */
const restedMs = 2 * idleMemoryMs;
/** Longer than the time for which a reading is cached. */
const pauseMs = 1_100;
const base = mkdtempSync("/var/lib/exec2-bench-");
const cgroups = Array.from({ length: running }, (_, number) =>
  join(findCgroup2Mount() ?? "", `exec2-bench-${process.pid}-${number}.scope`),
);

console.log(`${ended} tasks in the log, ${running} running:`);
try {
  await benchInspector(join(base, "inspector"));
  await benchPlugin(join(base, "plugin"));
} finally {
  rmSync(base, { recursive: true });
}

async function benchInspector(stateDir: string): Promise<void> {
  await fillLog(stateDir, cgroups);
  for (const cgroup of cgroups) mkdirSync(cgroup);
  const inspector = spawn(built, ["inspect", "--port", "0", "--state-dir", stateDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const url = await addressIn(inspector.stdout);
    const headers = { authorization: `Bearer ${url.searchParams.get("token")}` };
    const from = { host: url.hostname, port: url.port, headers };
    while (!(await scrape(from)).includes(`exec2_tasks_shown ${running}\n`)) await delay(pauseMs);
    await delay(restedMs);
    await benchScrapes("inspect", inspector.pid ?? 0, from);
  } finally {
    inspector.kill("SIGINT");
    await once(inspector, "exit");
    for (const cgroup of cgroups) rmdirSync(cgroup);
  }
}

async function benchPlugin(stateDir: string): Promise<void> {
  await fillLog(stateDir, []);
  const socketPath = join(base, "metrics.sock");
  const plugin = await launch({ state_dir: stateDir, metrics: socketPath });
  const allocations: Allocation[] = [];
  try {
    while (allocations.length < running) {
      const allocation = new Allocation();
      allocations.push(allocation);
      const config = allocation.config({ command: "/bin/sleep", args: ["86400"] });
      await plugin.driver.startTask({ task: await prepareStart(plugin.driver, config) });
    }
    await delay(restedMs);
    await benchScrapes("plugin", plugin.pid, { socketPath });
  } finally {
    await plugin.close();
    for (const allocation of allocations) await allocation.remove();
  }
}

/** @param cgroups cgroups of the running tasks, which all have this process's pid */
async function fillLog(stateDir: string, cgroups: readonly string[]): Promise<void> {
  const store = await openEventStore(stateFolderPaths(stateDir).events);
  const record = recorderOf(store);
  for (let number = 0; number < ended; number++) {
    await record(idOf(number), life(allLives[number % allLives.length] ?? "ended"));
  }
  const [requested, fingerprinted, sandboxed, started] = life("ended");
  if (requested?.type !== "requested" || !fingerprinted || !sandboxed || started?.type !== "started") return;
  const self = processIdentity(process.pid);
  for (const [index, cgroup] of cgroups.entries()) {
    const resources = { ...requested.data.resources, cgroup };
    await record(idOf(ended + index), [
      event("requested", { resources }),
      fingerprinted,
      sandboxed,
      event("started", { init: self, bootId: bootId() }),
    ]);
  }
  await store.close();
}

async function benchScrapes(name: string, pid: number, from: RequestOptions): Promise<void> {
  const nothing = await timesOf(rounds, () => scrape({ ...from, path: "/none" }));
  const times: number[] = [];
  let bytes = 0;
  let cpu = 0;
  const loop = await EventLoopDelay.of(pid);
  for (let round = 0; round < rounds; round++) {
    await delay(pauseMs);
    const before = cpuMs(pid);
    times.push(await timed(async () => (bytes = (await scrape(from)).length)));
    cpu += cpuMs(pid) - before;
  }
  const { max } = await loop.close();
  printTimes(`  ${name}: a scrape of ${(bytes / 1000).toFixed(0)} kB`, times, nothing);
  printFigure(`  ${name}: its CPU time`, `${(cpu / rounds).toFixed(0)} ms`);
  printFigure(`  ${name}: longest turn of the event loop`, `${max.toFixed(1)} ms`);
}

async function scrape(from: RequestOptions): Promise<string> {
  const [response] = await once(get({ path: "/metrics", ...from, agent: false }), "response");
  let body = "";
  for await (const text of response.setEncoding("utf8")) body += text;
  return body;
}

async function addressIn(output: NodeJS.ReadableStream): Promise<URL> {
  let printed = "";
  for await (const text of output) {
    printed += String(text);
    const [url] = /http:\S+/.exec(printed) ?? [];
    if (url !== undefined) return new URL(url);
  }
  throw new Error(`the inspector ended: ${printed}`);
}
