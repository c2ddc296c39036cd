/**
 * Measures the cost of the black box: starts with and without it, and system calls, of a process of the host
 * and of a task. As root, after `npm run build`: `node bench/blackBox.ts [starts] [executable]`. While it runs,
 * all system calls of the host are a little slower.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { Allocation } from "../test/support/agent/allocation.ts";
import { setConfig } from "../test/support/agent/requests.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { cpuMs, percentile, printFigure, printTimes, timed } from "./figures.ts";
import { built, launch, life } from "./plugin.ts";

const starts = Number(process.argv[2] ?? 200);
const executable = resolve(process.argv[3] ?? built);
const folder = mkdtempSync("/var/lib/exec2-bench-");
const stateDir = join(folder, "state");
const rounds = 10;

type Mode = "on" | "off";
const modes: readonly Mode[] = ["off", "on"];
const options = (mode: Mode) => ({ state_dir: stateDir, root: "host", black_box: mode });
const plugin = await launch(options("off"), executable);
const { driver } = plugin;
const configure = (mode: Mode) => plugin.base.setConfig(setConfig(options(mode)));
const allocation = new Allocation();

/**
 * Calls that succeed, and calls that fail, as a program makes them. Writes nanoseconds of processor time for each,
 * so that other programs of the machine do not count.
 */
const loop = (call: string) =>
  `use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID); $n = 2e5; $t = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
  for (1 .. $n) { ${call} } printf "%.1f\\n", (clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $t) / $n * 1e9`;
const calls = { "that succeed": loop("getppid"), "that fail": loop('-e "/none"') };

try {
  await prepareStart(driver, allocation.config("true"));
  for (let number = 0; number < 50; number += 1) await start();
  const times: Record<Mode, number[]> = { on: [], off: [] };
  const perCall = Object.keys(calls).map((what) => ({ what, on: [] as number[], off: [] as number[] }));
  const configuring: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const mode of Math.random() < 0.5 ? modes : modes.toReversed()) {
      const before = cpuMs(plugin.pid);
      await configure(mode);
      if (mode === "on") configuring.push(cpuMs(plugin.pid) - before);
      for (let number = 0; number < starts / rounds; number += 1) times[mode].push(await timed(start));
      for (const each of perCall) each[mode].push(onHost(calls[each.what as keyof typeof calls]));
    }
  }
  printTimes("processor time of turning it on", configuring);
  printTimes("start and end of /bin/true, black box off", times.off);
  printTimes("start and end of /bin/true, black box on", times.on, times.off);
  for (const { what, on, off } of perCall) {
    const [before, after] = [percentile(off, 0.5), percentile(on, 0.5)];
    printFigure(
      `a host's system calls ${what}`,
      `${before.toFixed(0)} ns, black box on ${after.toFixed(0)} ns`,
    );
  }
  for (const [what, code] of Object.entries(calls)) {
    const figures = [];
    for (const mode of modes) {
      await configure(mode);
      figures.push(await inTask(code));
    }
    const [off = 0, on = 0] = figures;
    printFigure(`a task's system calls ${what}`, `${off.toFixed(0)} ns, black box on ${on.toFixed(0)} ns`);
  }
} finally {
  await plugin.close();
  await allocation.remove();
  rmSync(folder, { recursive: true });
}

function start(): Promise<number> {
  return life(plugin, allocation.config({ command: "/bin/true" }));
}

function onHost(code: string): number {
  return Number(execFileSync("perl", ["-e", code], { encoding: "utf8" }));
}

async function inTask(code: string): Promise<number> {
  const before = (await allocation.stdout.text()).length;
  const task = allocation.config({ command: "/usr/bin/perl", args: ["-e", code] });
  await driver.startTask({ task: await prepareStart(driver, task) });
  await driver.waitTask({ taskId: task.id });
  await driver.destroyTask({ taskId: task.id, force: true });
  return Number((await allocation.stdout.text()).slice(before));
}
