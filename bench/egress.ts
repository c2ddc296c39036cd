/**
 * Measures the cost of egress: starts with a list of ten entries and without, what a start adds in the plugin,
 * connections of a process in a limited cgroup and in another, and starts beside many running tasks. As root,
 * after `npm run build`: `node bench/egress.ts [starts] [executable] [running tasks] [part,…]`. The parts are
 * limits, connections, starts and many.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findCgroup2Mount } from "../src/effects/cgroup/cgroup.ts";
import { EgressControl } from "../src/effects/egress/egressControl.ts";
import { idleMemoryMs } from "../src/effects/processes/idleMemory.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { formatMib, percentile, printFigure, printTimes, pssOf, threadsCpuMs, timed } from "./figures.ts";
import { built, launch, life } from "./plugin.ts";

const starts = Number(process.argv[2] ?? 200);
const executable = resolve(process.argv[3] ?? built);
const many = Number(process.argv[4] ?? 1_000);
const parts = process.argv[5]?.split(",") ?? ["limits", "connections", "starts", "many"];
const rounds = 10;
/** Time after which a plugin has returned the memory that its starts needed. */
const restedMs = idleMemoryMs + 2_000;
const ten = Array.from({ length: 10 }, (_, index) => `10.${index}.0.0/16:5432`);
const termsOf = (egress: readonly string[]) => ({ egress, egressDenied: [], names: new Map() });
const mount = findCgroup2Mount();
if (mount === undefined) throw new Error("cgroup v2 is not mounted");

if (parts.includes("limits")) measureLimits(mount);
if (parts.includes("connections")) measureConnections(mount);
if (parts.includes("starts")) await measureStarts();
if (parts.includes("many")) {
  await measureMany("without a list", () => undefined);
  await measureMany("with one list of ten", () => ten);
  await measureMany("each with its own list of ten", (number) =>
    ten.map((entry) =>
      entry.replace(/^10/, `${11 + (number >> 8)}`).replace("0.0/16", `${number & 255}.0/24`),
    ),
  );
}

/** Setting and lifting the limits of many cgroups, in processor time of this process. */
function measureLimits(mount: string): void {
  const cgroups = Array.from({ length: 1_000 }, (_, index) => `${mount}/exec2-bench-${process.pid}-${index}`);
  for (const each of cgroups) mkdirSync(each);
  using control = new EgressControl({ runnerFolder: undefined, onProblem: () => undefined });
  const terms = termsOf(ten);
  const runs: Disposable[] = [];
  const limit = (cgroup: string) => {
    runs.push(control.confine(cgroup, terms, () => undefined));
  };
  printFigure(
    "the first limits, with loading the programs",
    `${cpuOf(() => limit(cgroups[0] ?? "")).toFixed(1)} ms`,
  );
  const setting = cgroups.slice(1).map((each) => cpuOf(() => limit(each)));
  const lifting = runs.splice(0).map((run) => cpuOf(() => run[Symbol.dispose]()));
  let own = 0;
  const settingOwn = cgroups.map((each) => {
    own += 1;
    const list = ten.map((entry) => entry.replace("0.0/16", `${own >> 8}.${own & 255}/32`));
    return cpuOf(() => runs.push(control.confine(each, termsOf(list), () => undefined)));
  });
  for (const run of runs) run[Symbol.dispose]();
  printTimes("processor time of setting ten entries", setting);
  printTimes("the same, of a list that no task has", settingOwn);
  printTimes("processor time of lifting them", lifting);
  for (const each of cgroups) rmdirSync(each);
}

function cpuOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** Connections in a network of the process's own, to an address in it, in nanoseconds of processor time. */
function measureConnections(mount: string): void {
  const udp = `socket($s, PF_INET, SOCK_DGRAM, 0) or die; $n = 1e5; $t = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
    for (1 .. $n) { connect($s, $to) or die $! }`;
  // Nobody listens, so the connection itself costs nothing.
  const tcp = `$n = 3e4; $t = clock_gettime(CLOCK_PROCESS_CPUTIME_ID);
    for (1 .. $n) { socket($s, PF_INET, SOCK_STREAM, 0); connect($s, $to); close $s }`;
  using control = new EgressControl({ runnerFolder: undefined, onProblem: () => undefined });
  const cgroup = `${mount}/exec2-bench-${process.pid}`;
  mkdirSync(cgroup);
  const perl = (body: string) => `use Socket; use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID);
    open F, ">", "${cgroup}/cgroup.procs"; print F 0; close F; $to = pack_sockaddr_in(443, inet_aton("192.0.2.1"));
    ${body} printf "%.1f", (clock_gettime(CLOCK_PROCESS_CPUTIME_ID) - $t) / $n * 1e9`;
  const measure = (body: string) =>
    Number(
      execFileSync(
        "unshare",
        [
          "-n",
          "sh",
          "-c",
          'ip link set lo up; ip addr add 192.0.2.1/32 dev lo; exec perl -e "$0"',
          perl(body),
        ],
        { encoding: "utf8" },
      ),
    );
  const lists = { ten: [...ten, "192.0.2.1:443"], "a thousand": [...thousand(), "192.0.2.1"] };
  for (const [what, body] of Object.entries({ "a UDP connect": udp, "a TCP socket and its connect": tcp })) {
    for (const [size, list] of Object.entries(lists)) {
      const figures = { free: [] as number[], limited: [] as number[] };
      for (let round = 0; round < rounds; round += 1) {
        figures.free.push(measure(body));
        using _run = control.confine(cgroup, termsOf(list), () => undefined);
        figures.limited.push(measure(body));
      }
      const [free, limited] = [percentile(figures.free, 0.5), percentile(figures.limited, 0.5)];
      printFigure(`${what}, with ${size} entries`, `${free.toFixed(0)} ns, limited ${limited.toFixed(0)} ns`);
    }
  }
  rmdirSync(cgroup);
}

function thousand(): string[] {
  return Array.from({ length: 1_000 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24:443`);
}

/** Starts of tasks with a list and without. */
async function measureStarts(): Promise<void> {
  const folder = mkdtempSync("/var/lib/exec2-bench-");
  const plugin = await launch({ state_dir: join(folder, "state"), root: "host" }, executable);
  const allocation = new Allocation();
  const start = (egress?: readonly string[]) =>
    life(plugin, allocation.config({ command: "/bin/true", ...(egress && { egress }) }));
  try {
    await prepareStart(plugin.driver, allocation.config("true"));
    for (let number = 0; number < 50; number += 1) await start(number % 2 === 0 ? ten : undefined);
    const modes = [
      { what: "without a list", egress: undefined, times: [] as number[], cpu: [] as number[] },
      { what: "with ten entries", egress: ten, times: [] as number[], cpu: [] as number[] },
    ] as const;
    for (let round = 0; round < rounds; round += 1) {
      for (const { egress, times, cpu } of round % 2 === 0 ? modes : modes.toReversed()) {
        const before = threadsCpuMs(plugin.pid);
        for (let number = 0; number < starts / rounds; number += 1)
          times.push(await timed(() => start(egress)));
        cpu.push((threadsCpuMs(plugin.pid) - before) / (starts / rounds));
      }
    }
    for (const { what, times, cpu } of modes) {
      printTimes(`start and end of /bin/true, ${what}`, times, modes[0].times);
      printFigure("processor time of the plugin for each, p50", `${percentile(cpu, 0.5).toFixed(2)} ms`);
    }
  } finally {
    await plugin.close();
    await allocation.remove();
    rmSync(folder, { recursive: true });
  }
}

/** Starts of tasks that stay, in a plugin of their own: the first hundred, and those beside many others. */
async function measureMany(
  what: string,
  listOf: (number: number) => readonly string[] | undefined,
): Promise<void> {
  const folder = mkdtempSync("/var/lib/exec2-bench-");
  const plugin = await launch({ state_dir: join(folder, "state"), root: "host" }, executable);
  const allocations: Allocation[] = [];
  try {
    const times: number[] = [];
    const cpu: number[] = [];
    for (let number = 0; number < many; number += 1) {
      const uid = 80_000 + number;
      const allocation = new Allocation({ user: { name: `nomad-${uid}`, uid, gid: uid } });
      allocations.push(allocation);
      const egress = listOf(number);
      const options = { command: "/bin/sleep", args: ["86400"], ...(egress && { egress }) };
      const task = await prepareStart(plugin.driver, allocation.config(options));
      const before = threadsCpuMs(plugin.pid);
      times.push(await timed(() => plugin.driver.startTask({ task })));
      cpu.push(threadsCpuMs(plugin.pid) - before);
    }
    const figure = (of: readonly number[]) => percentile(of, 0.5).toFixed(2);
    const [first, last] = [
      [0, 100],
      [many - 100, many],
    ].map(([begin, end]) => [figure(times.slice(begin, end)), figure(cpu.slice(begin, end))]);
    printFigure(
      `${many} tasks ${what}`,
      `first p50 ${first?.join(", cpu ")}; last p50 ${last?.join(", cpu ")} ms`,
    );
    await delay(restedMs);
    printFigure("  the plugin (PSS)", formatMib(pssOf(plugin.pid)));
  } finally {
    await plugin.close();
    for (const allocation of allocations) await allocation.remove();
    rmSync(folder, { recursive: true });
  }
}
