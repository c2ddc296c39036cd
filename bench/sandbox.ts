/**
 * Measures the cost of a private root and of the system call filter: the time to a task's first byte,
 * compared with a task that has the host's tree, or no filter. Measures these times on a host with few
 * mounts, and on a host with 500 more. Also measures the plugin's memory for 50 different roots. As root,
 * after `npm run build`: `node bench/sandbox.ts [rounds]`.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { LaunchedPlugin } from "../src/grpc/pluginClient.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { formatMib, percentile, printFigure, printTimes, pssOf } from "./figures.ts";
import { built, firstByte, launch } from "./plugin.ts";

const rounds = Number(process.argv[2] ?? 200);
const manyMounts = 500;
const manyRoots = 50;
/** Kinds of tasks, by their options. The first one is a usual task. */
const kinds = [
  { name: "a usual task", options: {} },
  { name: "with the host's tree", options: { root: "host" } },
  { name: "without a filter of system calls", options: { seccomp: "unconfined" } },
];
const folder = mkdtempSync("/var/lib/exec2-bench-");
// A task's user must be able to reach the task's paths.
chmodSync(folder, 0o755);

try {
  await benchOn("an ordinary host", hostWith(0));
  await benchOn(`a host with ${manyMounts} more mounts`, hostWith(manyMounts));
} finally {
  rmSync(folder, { recursive: true });
}

/**
 * Makes a program that runs the plugin in its own mount namespace. The mounts in it are shared, as under
 * systemd. `count` mounts are added, as containers and CSI volumes do on a host.
 */
function hostWith(count: number): string {
  const mounts = join(folder, `mounts-${count}`);
  for (let number = 0; number < count; number++) mkdirSync(join(mounts, `${number}`), { recursive: true });
  const program = join(folder, `plugin-among-${count}`);
  const script = [
    "mount --make-rshared /",
    ...(count > 0 ? [`for folder in ${mounts}/*; do mount -t tmpfs none "$folder"; done`] : []),
    `exec ${built} "$@"`,
  ].join("; ");
  writeFileSync(program, `#!/bin/sh\nexec unshare -m sh -c '${script}' plugin "$@"\n`, { mode: 0o755 });
  return program;
}

async function benchOn(host: string, command: string): Promise<void> {
  console.log(`${host}:`);
  const options = { allow_host_root: true, unveil_by_task: true, allow_seccomp: ["unconfined"] };
  const plugin = await launch({ state_dir: mkdtempSync(`${folder}/state-`), ...options }, command);
  const allocation = new Allocation();
  await prepareStart(plugin.driver, allocation.config("true"));
  await benchStarts(plugin, allocation);
  await benchMemory(plugin, allocation);
  await plugin.close();
  await allocation.remove();
}

async function benchStarts(plugin: LaunchedPlugin, allocation: Allocation): Promise<void> {
  const measured = kinds.map((kind) => ({ ...kind, times: [] as number[] }));
  for (let round = -30; round < rounds; round++) {
    // In random order: the plugin collects garbage every few starts, and the collection must not always hit
    // the same kind.
    for (const { options, times } of measured.toSorted(() => Math.random() - 0.5)) {
      const ms = await timeOf(plugin, allocation, options);
      if (round >= 0) times.push(ms);
    }
  }
  const [usual, ...others] = measured as [(typeof measured)[number], ...typeof measured];
  printTimes(`  first byte, ${usual.name}`, usual.times);
  for (const { name, times } of others) {
    printTimes(`  first byte, ${name}`, times);
    const ratio = percentile(usual.times, 0.5) / percentile(times, 0.5);
    printFigure("  a usual task compared with this", `${ratio.toFixed(3)} ×`);
  }
}

async function benchMemory(plugin: LaunchedPlugin, allocation: Allocation): Promise<void> {
  const growth = async (pathOf: (number: number) => string) => {
    const before = pssOf(plugin.pid);
    for (let number = 0; number < manyRoots; number++) {
      const path = join(folder, pathOf(number));
      mkdirSync(path, { recursive: true });
      await timeOf(plugin, allocation, { unveil: [`r:${path}`] });
    }
    return pssOf(plugin.pid) - before;
  };
  await growth(() => "same");
  const [same, different] = [await growth(() => "same"), await growth((number) => `unveiled-${number}`)];
  printFigure(`  memory (PSS) after ${manyRoots} starts that share one further root`, formatMib(same));
  printFigure(`  memory (PSS) after ${manyRoots} starts with different roots`, formatMib(different));
}

async function timeOf(plugin: LaunchedPlugin, allocation: Allocation, options: object): Promise<number> {
  const started = await firstByte(plugin, allocation, options);
  await delay(5);
  return started.firstByte;
}
