/**
 * Measures what observing tasks costs: starts, a web server's throughput, and system calls, of a process of the host and
 * of a task. Between off and on it measures the same with a program that does nothing at the tracepoint: what that
 * costs is the kernel's own. As root, after `npm run build`: `node bench/observe.ts [starts] [executable]`. While it
 * runs, all system calls of the host are a little slower.
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
  ...{ state_dir: stateDir, root: "host" },
  observe: mode === "on" ? "on" : "off",
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

/** Writes nanoseconds of processor time for each call, so that other programs of the machine do not count. */
const loop = (call: string) =>
  `use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID); $n = 2e5; $t = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
  for (1 .. $n) { ${call} } printf "%.1f\\n", (clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $t) / $n * 1e9`;
const calls = {
  "that name nothing": loop("getppid"),
  "that open a file": loop('open(F, "<", "/etc/hostname")'),
};

/**
 * A web server that sends a file to a client in the same task, each request by a connection of its own. Writes
 * microseconds of both's processor time for a request.
 */
const web = `
use Socket; use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID); $n = 1e4;
socket(L, PF_INET, SOCK_STREAM, 0); bind(L, pack_sockaddr_in(0, INADDR_LOOPBACK)); listen(L, 9);
$t = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
for (1 .. $n) {
  socket(C, PF_INET, SOCK_STREAM, 0); connect(C, getsockname(L)); syswrite(C, "GET / HTTP/1.0\\r\\n\\r\\n");
  accept(S, L); sysread(S, $b, 4096); stat("/etc/services"); open(F, "<", "/etc/services"); sysread(F, $f, 16384); close(F);
  syswrite(S, "HTTP/1.0 200 OK\\r\\n\\r\\n$f"); close(S); 1 while sysread(C, $b, 65536); close(C);
} printf "%.1f\\n", (clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $t) / $n * 1e6`;

try {
  await prepareStart(driver, allocation.config("true"));
  for (let number = 0; number < 50; number += 1) await start();
  const none = (): Record<Mode, number[]> => ({ on: [], empty: [], off: [] });
  const [times, cpu, requests] = [none(), none(), none()];
  const ofHost = Object.keys(calls).map((what) => ({ what, ...none() }));
  const ofTask = Object.keys(calls).map((what) => ({ what, ...none() }));
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
      for (const each of ofHost) each[mode].push(onHost(calls[each.what as keyof typeof calls]));
      for (const each of ofTask) each[mode].push(await inTask(calls[each.what as keyof typeof calls]));
      requests[mode].push(await inTask(web));
    }
  }
  printTimes("processor time of turning it on", configuring);
  printTimes("start and end of /bin/true, off", times.off);
  printTimes("the same, a program that does nothing", times.empty, times.off);
  printTimes("the same, on", times.on, times.off);
  printTimes("the plugin's processor time for it, off", cpu.off);
  printTimes("the same, a program that does nothing", cpu.empty, cpu.off);
  printTimes("the same, on", cpu.on, cpu.off);
  for (const { what, ...ns } of ofHost) printEach(`a host's system calls ${what}`, ns, "ns");
  for (const { what, ...ns } of ofTask) printEach(`a task's system calls ${what}`, ns, "ns");
  printEach("a web server's and its client's processor time for a request", requests, "µs");
} finally {
  detach();
  await plugin.close();
  await allocation.remove();
  rmSync(folder, { recursive: true });
}

/** Attaches a program that does nothing where calls are noted. @returns detaches it */
function attachEmpty(): () => void {
  const { program, link } = trace("sys_exit", new Program().compute("move", 0, 0).exit().bytes());
  return () => {
    closeSync(link);
    closeSync(program);
  };
}

function printEach(what: string, figures: Record<Mode, number[]>, unit: string): void {
  const text = (mode: Mode) => `${percentile(figures[mode], 0.5).toFixed(1)} ${unit}`;
  printFigure(what, `${text("off")}, a program that does nothing ${text("empty")}, on ${text("on")}`);
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
