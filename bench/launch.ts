/**
 * How long it takes from a launch plan's input to a confirmed `execve`, beside
 * what merely spawning the same program costs in the same run.
 * As root: `node bench/launch.ts [rounds]`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { waitpid } from "../src/effects/kernel/libc.ts";
import { posixSpawn } from "../src/effects/kernel/posixSpawn.ts";
import { TestRun } from "../test/support/launch/launchRun.ts";

const program = "/bin/true";
const rounds = Number(process.argv[2] ?? 300);
const atATime = 8;
const hierarchy = existsSync("/sys/fs/cgroup/cgroup.procs") ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
const cgroup = `${hierarchy}/exec2-bench-${process.pid}`;

/** Each returns what is timed, in milliseconds. */
const ways = {
  "launch, to a confirmed execve": launchOne,
  "posix_spawn, to the program's end": posixSpawnOne,
  "child_process.spawn, to its end": childProcessOne,
};

mkdirSync(cgroup);
try {
  await oneByOne(20);
  for (const [name, times] of await oneByOne(rounds)) console.log(`${name.padEnd(34)} ${percentiles(times)}`);
  console.log(`launches, ${atATime} at a time            ${await launchesPerSecond()} a second`);
  console.log(`an init's memory (PSS)             ${await memoryOfInit()} kB`);
} finally {
  // The last init may still be on its way out of the cgroup.
  await sleep(100);
  rmdirSync(cgroup);
}

/** All ways in turn, so that they meet the same load; with pauses, as tasks come in life. */
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

async function launchOne(): Promise<number> {
  using run = new TestRun();
  const begin = performance.now();
  await run.start({ command: program, cgroup });
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
  // Init clears its memory up while the task is on its way already.
  await sleep(100);
  const pss = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${init.pid}/smaps_rollup`, "utf8"));
  await run.ended();
  return pss?.[1] ?? "?";
}

function percentiles(times: number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] as number).toFixed(2);
  return `p50 ${at(0.5)}  p90 ${at(0.9)}  p99 ${at(0.99)} ms`;
}
