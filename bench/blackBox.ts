/**
 * Measures the cost of the black box: starts with and without it, and system calls, of a process of the host
 * and of a task. Between the two it measures the same with a program that does nothing at the tracepoint of the
 * box: what that costs is the kernel's own. As root, after `npm run build`: `node bench/blackBox.ts [starts] [executable]`. While it runs,
 * all system calls of the host are a little slower.
 */
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { trace } from "../src/effects/bpf/bpf.ts";
import { Program } from "../src/effects/bpf/program.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { setConfig } from "../test/support/agent/requests.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { cpuMs, percentile, printFigure, printTimes, threadsCpuMs, timed } from "./figures.ts";
import { built, launch, life } from "./plugin.ts";

const starts = Number(process.argv[2] ?? 200);
const executable = resolve(process.argv[3] ?? built);
const folder = mkdtempSync("/var/lib/exec2-bench-");
const stateDir = join(folder, "state");
const rounds = 10;

type Mode = "on" | "empty" | "off";
const modes: readonly Mode[] = ["off", "empty", "on"];
const options = (mode: Mode) => ({
  state_dir: stateDir,
  root: "host",
  black_box: mode === "on" ? "on" : "off",
});
const plugin = await launch(options("off"), executable);
const { driver } = plugin;
let detach = () => {};
async function configure(mode: Mode): Promise<void> {
  detach();
  detach = mode === "empty" ? attachEmpty() : () => {};
  await plugin.base.setConfig(setConfig(options(mode)));
}
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
  const none = (): Record<Mode, number[]> => ({ on: [], empty: [], off: [] });
  const [times, cpu] = [none(), none()];
  const perCall = Object.keys(calls).map((what) => ({ what, ...none() }));
  const configuring: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const mode of modes.toSorted(() => Math.random() - 0.5)) {
      const before = cpuMs(plugin.pid);
      await configure(mode);
      if (mode === "on") configuring.push(cpuMs(plugin.pid) - before);
      for (let number = 0; number < starts / rounds; number += 1) {
        const began = threadsCpuMs(plugin.pid);
        times[mode].push(await timed(start));
        cpu[mode].push(threadsCpuMs(plugin.pid) - began);
      }
      for (const each of perCall) each[mode].push(onHost(calls[each.what as keyof typeof calls]));
    }
  }
  printTimes("processor time of turning it on", configuring);
  printTimes("start and end of /bin/true, black box off", times.off);
  printTimes("the same, a program that does nothing", times.empty, times.off);
  printTimes("the same, black box on", times.on, times.off);
  printTimes("the plugin's processor time for it, off", cpu.off);
  printTimes("the same, a program that does nothing", cpu.empty, cpu.off);
  printTimes("the same, black box on", cpu.on, cpu.off);
  for (const { what, ...ns } of perCall)
    printCalls(`a host's system calls ${what}`, (mode) => percentile(ns[mode], 0.5));
  for (const [what, code] of Object.entries(calls)) {
    const figures = { on: 0, empty: 0, off: 0 };
    for (const mode of modes) {
      await configure(mode);
      figures[mode] = await inTask(code);
    }
    printCalls(`a task's system calls ${what}`, (mode) => figures[mode]);
  }
} finally {
  detach();
  await plugin.close();
  await allocation.remove();
  rmSync(folder, { recursive: true });
}

/** Attaches a program that does nothing where the box notes calls. @returns detaches it */
function attachEmpty(): () => void {
  const { program, link } = trace("sys_exit", new Program().compute("move", 0, 0).exit().bytes());
  return () => {
    closeSync(link);
    closeSync(program);
  };
}

function printCalls(what: string, ns: (mode: Mode) => number): void {
  const text = (mode: Mode) => `${ns(mode).toFixed(0)} ns`;
  printFigure(
    what,
    `${text("off")}, a program that does nothing ${text("empty")}, black box on ${text("on")}`,
  );
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
