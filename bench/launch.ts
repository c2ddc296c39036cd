/**
 * Measures the time from a launch plan's input to a confirmed `execve`, compared with a bare spawn of the
 * same program in the same run. As root: `node bench/launch.ts [rounds]`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { waitpid } from "../src/effects/kernel/libc.ts";
import { posixSpawn } from "../src/effects/kernel/posixSpawn.ts";
import type { SystemCallFilter } from "../src/effects/seccomp/systemCallFilter.ts";
import { filterOf, TestRun } from "../test/support/launch/launchRun.ts";
import { printFigure, printTimes, pssOf } from "./statistics.ts";

const program = "/bin/true";
const rounds = Number(process.argv[2] ?? 300);
const atATime = 8;
const hierarchy = existsSync("/sys/fs/cgroup/cgroup.procs") ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
const cgroup = `${hierarchy}/exec2-bench-${process.pid}`;

/** The measured ways to start a program. Each returns its duration in milliseconds. */
const ways = {
  "launch, to a confirmed execve": () => launchOne(),
  "the same with the default filter": () => launchOne(filterOf()),
  "posix_spawn, to the program's end": posixSpawnOne,
  "child_process.spawn, to its end": childProcessOne,
};

mkdirSync(cgroup);
try {
  await oneByOne(20);
  for (const [name, times] of await oneByOne(rounds)) printTimes(name, times);
  printFigure(`launches, ${atATime} at a time`, `${await launchesPerSecond()} a second`);
  printFigure("an init's memory (PSS)", `${await memoryOfInit()} KiB`);
} finally {
  // The last init may still be exiting in the cgroup.
  await sleep(100);
  rmdirSync(cgroup);
}

/** Runs all ways alternately, so that they have the same load, with pauses as on a usual node. */
async function oneByOne(count: number): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>();
  for (let round = 0; round < count; round++) {
    for (const [name, way] of Object.entries(ways)) {
      times.set(name, [...(times.get(name) ?? []), await way()]);
      await sleep(10);
    }
  }
  return times;
}

async function launchOne(filter?: SystemCallFilter): Promise<number> {
  using run = new TestRun();
  const begin = performance.now();
  await run.start({ command: program, cgroup, filter });
  const time = performance.now() - begin;
  await run.ended();
  return time;
}

async function posixSpawnOne(): Promise<number> {
  const begin = performance.now();
  waitpid(posixSpawn(program, [program], [], []), 0);
  return performance.now() - begin;
}

async function childProcessOne(): Promise<number> {
  const begin = performance.now();
  await once(spawn(program, { stdio: "ignore" }), "exit");
  return performance.now() - begin;
}

async function launchesPerSecond(): Promise<string> {
  let left = rounds;
  const begin = performance.now();
  const cpuBefore = process.cpuUsage();
  const worker = async () => {
    while (left-- > 0) await launchOne();
  };
  await Promise.all(Array.from({ length: atATime }, worker));
  const cpu = process.cpuUsage(cpuBefore);
  const perSecond = (rounds / (performance.now() - begin)) * 1000;
  return `${perSecond.toFixed(0)} (${((cpu.user + cpu.system) / 1000 / rounds).toFixed(2)} ms of this process's CPU each)`;
}

async function memoryOfInit(): Promise<string> {
  using run = new TestRun();
  const { init } = await run.startScript("sleep 1");
  // Init frees memory after the task has started.
  await sleep(100);
  const pss = pssOf(init.pid);
  await run.ended();
  return String(pss);
}
