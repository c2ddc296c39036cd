/**
 * Reads the counters of cgroups and of a run's processes. A cgroup's counters include processes that have
 * exited.
 */
import { readdirSync, readFile, readFileSync, readlinkSync } from "node:fs";
import { uptime } from "node:os";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { cgroupsBelow, cgroupTree, commandCgroupPrefix, isGone } from "../cgroup/cgroup.ts";
import {
  type CpuCounters,
  type IoCounters,
  type MemoryFigures,
  type Pressure,
  parseBytes,
  parseCpuStat,
  parseIoStat,
  parseMemory,
  parsePressure,
} from "../cgroup/cgroupFigures.ts";
import { type DelegatedCgroups, delegatedPrefixes } from "../cgroup/delegatedCgroups.ts";
import { readKernelFile } from "../kernel/kernelFiles.ts";
import { readStat } from "../processes/processIdentity.ts";
import {
  descendantsOf,
  type ProcessIdentity,
  type ProcessStat,
  parseResidentPages,
} from "../processes/processStat.ts";

/** Where to read a run's counters. */
export interface RunPlace {
  readonly cgroup: string;
  /** The run's init. Its pid namespace distinguishes the run from another run in the same cgroup. */
  readonly init: ProcessIdentity;
  /**
   * For a run without its own pid namespace: the cgroup of its processes, except its init, which is in
   * `cgroup`. Otherwise null.
   */
  readonly runCgroup: string | null;
  /** For a run with a subtree of cgroups of its own: the root of the subtree, and that of its init. */
  readonly delegated?: DelegatedCgroups | undefined;
}

/** A process's counters, and its resident memory in pages. */
export interface ProcessReading extends ProcessStat {
  readonly rssPages: number;
}

/** Counters at one moment. */
export interface RunReading {
  /** Milliseconds on the clock of performance.now(). */
  readonly atMs: number;
  /** Milliseconds since boot, accurate to 10 ms, on the clock of processes' start times. */
  readonly uptimeMs: number;
  /** Start of the run's init: field 22 of proc_pid_stat(5). */
  readonly startTicks: number;
  /** CPU counters of the whole cgroup; undefined once it is removed. */
  readonly cpu: CpuCounters | undefined;
  readonly memory: MemoryFigures;
  /** The run's own processes by pid, including its init. */
  readonly processes: ReadonlyMap<number, ProcessReading>;
  readonly initPid: number;
  /**
   * Whether another run's processes are in the cgroup too. At a restart the next
   * run starts while the previous one is still stopping.
   */
  readonly shared: boolean;
}

/**
 * Reads a run's counters.
 *
 * For `cpu.stat` and `memory.stat` the kernel first adds up the counters of all processors, which is slow on
 * a big host. So these two are read on libuv's threads. The other files are fast. A synchronous read of them
 * costs a quarter of a read on a thread.
 * @param previous the run's last reading; if given, the namespaces of known processes are not read again
 * @throws DriverError `KERNEL_CALL_FAILED` for a file that exists and cannot be read
 */
export async function readRun(
  { cgroup, init, runCgroup, delegated }: RunPlace,
  previous?: RunReading,
): Promise<RunReading> {
  const [cpu, stat] = await Promise.all(
    ["cpu.stat", "memory.stat"].map((name) => readOnThread(`${cgroup}/${name}`)),
  );
  const atMs = performance.now();
  const uptimeMs = uptime() * 1000;
  // Without the memory controller none of these files exists.
  const memoryFiles = stat === undefined ? [] : ["memory.current", "memory.peak", "memory.swap.current"];
  const [current, peak, swap] = memoryFiles.map((name) => readIfPresent(`${cgroup}/${name}`));
  const present = pidsIn(cgroup);
  const tasks = runCgroup ?? cgroup;
  const below = cgroupsBelow(tasks);
  const commands = below.filter((name) => name.startsWith(commandCgroupPrefix));
  const isOthers = (name: string) =>
    name.startsWith(delegatedPrefixes.task) && `${cgroup}/${name}` !== delegated?.task;
  const candidates = [
    ...(delegated ? [init.pid, ...(await pidsInTree(delegated.task))] : []),
    ...(runCgroup === null ? present : [init.pid, ...pidsIn(runCgroup)]),
    ...commands.flatMap((name) => pidsIn(`${tasks}/${name}`)),
  ];
  const processes = await ownProcesses(candidates, init, previous?.processes ?? new Map());
  return {
    atMs,
    uptimeMs,
    startTicks: init.startTicks,
    cpu: cpu === undefined ? undefined : parseCpuStat(cpu),
    memory: parseMemory({ stat, current, peak, swap }),
    processes: processes.own,
    initPid: init.pid,
    shared: delegated
      ? below.some(isOthers)
      : runCgroup === null
        ? processes.foreign
        : present.some((pid) => pid !== init.pid),
  };
}

/** A task may have hundreds of cgroups. */
async function pidsInTree(root: string): Promise<number[]> {
  const pids: number[] = [];
  for (const [index, cgroup] of cgroupTree(root).entries()) {
    if (index % batch === batch - 1) await setImmediate();
    pids.push(...pidsIn(cgroup));
  }
  return pids;
}

const procsFile = Buffer.from("/cgroup.procs");

function pidsIn(cgroup: string | Buffer): number[] {
  const path = typeof cgroup === "string" ? `${cgroup}/cgroup.procs` : Buffer.concat([cgroup, procsFile]);
  const procs = readIfPresent(path) ?? "";
  return procs.split("\n").filter(Boolean).map(Number);
}

function readIfPresent(path: string | Buffer): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (thrown) {
    return ifAbsent(thrown);
  }
}

/** Number of processes to read in one turn of the event loop: about a millisecond of work. */
const batch = 64;

async function ownProcesses(
  pids: readonly number[],
  init: ProcessIdentity,
  known: ReadonlyMap<number, ProcessReading>,
) {
  const namespace = namespaceOf(init.pid);
  const own = new Map<number, ProcessReading>();
  const others: ProcessStat[] = [];
  const take = (stat: ProcessStat) => own.set(stat.pid, { ...stat, rssPages: residentPages(stat.pid) });
  for (const [index, pid] of pids.entries()) {
    if (index % batch === batch - 1) await setImmediate();
    const stat = readStat(pid);
    if (stat === undefined) continue;
    const place = known.get(pid)?.startTicks === stat.startTicks ? namespace : namespaceOf(pid);
    if (place === undefined) continue;
    if (place === namespace) take(stat);
    else others.push(stat);
  }
  // Processes in namespaces that the task has created descend from the run's own processes.
  for (const [index, stat] of descendantsOf([...own.keys()], others).entries()) {
    if (index % batch === batch - 1) await setImmediate();
    take(stat);
  }
  return { own, foreign: others.some(({ pid }) => !own.has(pid)) };
}

/** A process's pid namespace (namespaces(7)); undefined if it has exited. */
function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch (thrown) {
    // Zombies and reaped processes have no namespaces.
    if (errnoOf(thrown) === "ENOENT" || errnoOf(thrown) === "ESRCH") return undefined;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `the namespaces of process ${pid} cannot be read`);
  }
}

function residentPages(pid: number): number {
  return parseResidentPages(readKernelFile(`/proc/${pid}/statm`) ?? "");
}

/**
 * Undefined stands for values that this kernel or host does not have. Times and counts begin with the
 * cgroup's creation.
 */
export interface CgroupReading {
  readonly cpu: CpuCounters;
  readonly memoryBytes: number | undefined;
  /** The maximum since the cgroup was made. */
  readonly memoryPeakBytes: number | undefined;
  /** Processes and threads. */
  readonly pids: number | undefined;
  readonly io: IoCounters | undefined;
  /** Time in which processes had to wait for a resource, by resource. */
  readonly pressure: {
    readonly cpu: Pressure | undefined;
    readonly memory: Pressure | undefined;
    readonly io: Pressure | undefined;
  };
}

/**
 * Reads a cgroup's counters, in some 0.1 ms of CPU time. For `cpu.stat` the kernel first adds up the counters
 * of all processors, which is slow on a big host, so this file is read on libuv's threads.
 * @param cgroup its folder
 * @returns undefined if there is no such cgroup any more
 * @throws DriverError `KERNEL_CALL_FAILED` for a file that exists and cannot be read
 */
export async function readCgroup(cgroup: string): Promise<CgroupReading | undefined> {
  const text = await readOnThread(`${cgroup}/cpu.stat`);
  const cpu = text === undefined ? undefined : parseCpuStat(text);
  if (cpu === undefined) return undefined;
  const bytes = (name: string) => parseBytes(readKernelFile(`${cgroup}/${name}`));
  const pressure = (name: string) => parsePressure(readKernelFile(`${cgroup}/${name}.pressure`) ?? "");
  return {
    cpu,
    memoryBytes: bytes("memory.current"),
    memoryPeakBytes: bytes("memory.peak"),
    pids: bytes("pids.current"),
    io: readIo(cgroup),
    pressure: { cpu: pressure("cpu"), memory: pressure("memory"), io: pressure("io") },
  };
}

function readIo(cgroup: string): IoCounters | undefined {
  const text = readKernelFile(`${cgroup}/io.stat`);
  return text === undefined ? undefined : parseIoStat(text, isOwnDisk);
}

/** By `major:minor`. A number whose device is replaced by another kind of device is rare, and does no harm. */
const knownDisks = new Map<string, boolean>();

/** Whether a device is not made of others, as device-mapper's and RAID's are. */
function isOwnDisk(device: string): boolean {
  let isOwn = knownDisks.get(device);
  if (isOwn === undefined) {
    isOwn = !isMadeOfOthers(device);
    knownDisks.set(device, isOwn);
  }
  return isOwn;
}

function isMadeOfOthers(device: string): boolean {
  try {
    return readdirSync(`/sys/dev/block/${device}/slaves`).length > 0;
  } catch {
    return false;
  }
}

const read = promisify(readFile);

/**
 * @returns undefined if this host has no such file
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
async function readOnThread(path: string): Promise<string | undefined> {
  return read(path, "latin1").catch(ifAbsent);
}

/** Not every host has every file. */
function ifAbsent(thrown: unknown): undefined {
  if (isGone(thrown)) return undefined;
  throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "the task's use of resources cannot be read");
}
