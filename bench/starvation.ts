/**
 * Measures how much tasks that use all available resources, called neighbours here, delay starts and stops of
 * other tasks. Each figure is compared with the same figure without neighbours, measured just before. As
 * root, after `npm run build`: `node bench/starvation.ts [rounds]`.
 *
 * On a host without cgroup controllers, neighbours also take CPU time from the plugin.
 */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { mkfifo } from "../src/effects/kernel/libc.ts";
import type { TaskConfig } from "../src/grpc/generated/nomad/driver.ts";
import type { LaunchedPlugin } from "../src/grpc/pluginClient.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { printFigure, printTimes, timed } from "./figures.ts";
import { launch } from "./plugin.ts";

const rounds = Number(process.argv[2] ?? 40);
const atOnce = 1_000;
const folder = mkdtempSync("/var/lib/exec2-bench-");
const [, hardLimit] = /^Max open files +\d+ +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
/** The number of descriptors that this process may allow a task, at most 65,536. */
const descriptors = Math.min(65_536, Number(hardLimit));
const polite = { command: "/bin/sleep", args: ["600"] };

interface Neighbour {
  readonly count: number;
  readonly script: string;
  /** Limits of each neighbour, independent of the host's controllers. */
  readonly ulimit?: Readonly<Record<string, string>>;
}

const neighbours: Readonly<Record<string, Neighbour>> = {
  "8 tasks whose log nobody reads": { count: 8, script: "exec cat /dev/zero" },
  "a fork bomb of 200 processes": {
    count: 1,
    script: "while :; do (while :; do sleep 0.01 & done) & done 2> /dev/null",
    ulimit: { nproc: "200" },
  },
  [`4 tasks with ${descriptors} descriptors each`]: {
    count: 4,
    script: `exec perl -e 'open(my $f, "<", "/dev/null") ? push(@f, $f) : sleep(600) while 1'`,
    ulimit: { nofile: String(descriptors) },
  },
};

try {
  const plugin = await launch(optionsIn(folder));
  const allocation = new Allocation();
  await prepareStart(plugin.driver, allocation.config("true"));
  await measure(plugin, allocation);
  for (const [name, neighbour] of Object.entries(neighbours)) {
    const baseline = await measure(plugin, allocation);
    const stop = await startNeighbours(plugin, neighbour);
    report(`beside ${name}`, await measure(plugin, allocation), baseline);
    await stop();
  }
  await benchManyStarts(plugin, allocation);
  await plugin.close();
  await benchFullDisk(allocation);
  await allocation.remove();
} finally {
  rmSync(folder, { recursive: true });
}

function optionsIn(above: string) {
  return { state_dir: join(above, "state"), allow_raised_ulimits: true };
}

interface Times {
  readonly starts: number[];
  readonly stops: number[];
}

async function measure(plugin: LaunchedPlugin, allocation: Allocation): Promise<Times> {
  const times: Times = { starts: [], stops: [] };
  for (let round = 0; round < rounds; round++) {
    const task = allocation.config(polite);
    times.starts.push(await timed(() => plugin.driver.startTask({ task })));
    times.stops.push(await timed(() => stopTask(plugin, task)));
    await plugin.driver.destroyTask({ taskId: task.id, force: true });
  }
  return times;
}

function stopTask({ driver }: LaunchedPlugin, { id }: TaskConfig): Promise<unknown> {
  return driver.stopTask({ taskId: id, timeout: { seconds: 30, nanos: 0 }, signal: "" });
}

function report(situation: string, { starts, stops }: Times, baseline: Times): void {
  console.log(`${situation}:`);
  printTimes("  StartTask to its answer", starts, baseline.starts);
  printTimes("  StopTask to its answer", stops, baseline.stops);
}

/** @returns a function that ends the neighbours */
async function startNeighbours(
  { driver }: LaunchedPlugin,
  { count, script, ulimit }: Neighbour,
): Promise<() => Promise<void>> {
  const readers: number[] = [];
  const allocations = Array.from({ length: count }, () => new Allocation());
  const tasks: TaskConfig[] = [];
  for (const allocation of allocations) {
    for (const { path } of [allocation.stdout, allocation.stderr]) {
      mkfifo(path, 0o600);
      // A log collector that opens the pipe and reads nothing.
      readers.push(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
    }
    const task = allocation.config({
      command: "sh",
      args: ["-c", script],
      ...(ulimit && { ulimit: [ulimit] }),
    });
    await driver.startTask({ task });
    tasks.push(task);
  }
  return async () => {
    for (const { id } of tasks) await driver.destroyTask({ taskId: id, force: true });
    for (const reader of readers) closeSync(reader);
    for (const allocation of allocations) await allocation.remove();
  };
}

/** Measures the stop of a task while a thousand others start. */
async function benchManyStarts(plugin: LaunchedPlugin, allocation: Allocation): Promise<void> {
  const baseline = await measure(plugin, allocation);
  const others = new Allocation();
  await prepareStart(plugin.driver, others.config("true"));
  const running = Array.from({ length: 10 }, () => allocation.config(polite));
  for (const task of running) await plugin.driver.startTask({ task });
  const tasks = Array.from({ length: atOnce }, () => others.config({ command: "/bin/true" }));
  const starts = tasks.map((task) => timed(() => plugin.driver.startTask({ task })));
  const stops: number[] = [];
  for (const task of running) stops.push(await timed(() => stopTask(plugin, task)));
  const all = await Promise.all(starts);
  console.log(`${atOnce} starts at once:`);
  printTimes("  StartTask of one of them to its answer", all, baseline.starts);
  printTimes("  StopTask of another task to its answer", stops, baseline.stops);
  for (const { id } of [...tasks, ...running]) await plugin.driver.destroyTask({ taskId: id, force: true });
  await others.remove();
}

/** Measures stops while the state folder's disk is full. New tasks are then refused. */
async function benchFullDisk(allocation: Allocation): Promise<void> {
  const disk = join(folder, "disk");
  mkdirSync(disk);
  spawnSync("mount", ["-t", "tmpfs", "-o", "size=64m,mode=711", "tmpfs", disk]);
  try {
    const plugin = await launch(optionsIn(disk));
    const baseline = await measure(plugin, allocation);
    const running = Array.from({ length: 20 }, () => allocation.config(polite));
    for (const task of running) await plugin.driver.startTask({ task });
    fill(join(disk, "ballast"));
    const stops: number[] = [];
    for (const task of running) stops.push(await timed(() => stopTask(plugin, task)));
    console.log("with a full disk below the state folder:");
    printTimes("  StopTask to its answer", stops, baseline.stops);
    const answer = await plugin.driver.startTask({ task: allocation.config(polite) }).then(
      () => "starts",
      ({ details }: { details: string }) => details.slice(0, details.indexOf(":")),
    );
    printFigure("  one more task", answer);
    rmSync(join(disk, "ballast"));
    for (const { id } of running) await plugin.driver.destroyTask({ taskId: id, force: true });
    await plugin.close();
  } finally {
    spawnSync("umount", ["--lazy", disk]);
  }
}

function fill(path: string): void {
  for (const size of [1 << 20, 4096]) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(size), { flag: "a" });
    } catch {
      // The disk is full.
    }
  }
}
