/** Reads a cgroup's counters, which cover all its processes, including those that have exited. */
import { readFile } from "node:fs";
import { promisify } from "node:util";
import { DriverError, errnoOf } from "../../errors.ts";
import {
  type CpuCounters,
  type Pressure,
  parseBytes,
  parseCpuStat,
  parsePressure,
} from "../cgroup/cgroupFigures.ts";
import { readKernelFile } from "../kernel/kernelFiles.ts";

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
  /** Time in which processes had to wait for a resource, by resource. */
  readonly pressure: {
    readonly cpu: Pressure | undefined;
    readonly memory: Pressure | undefined;
    readonly io: Pressure | undefined;
  };
}

/**
 * Takes some 0.1 ms of CPU. For `cpu.stat` the kernel first adds up the counters of all processors, which is
 * slow on a big host, so it is read on libuv's threads.
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
    pressure: { cpu: pressure("cpu"), memory: pressure("memory"), io: pressure("io") },
  };
}

const read = promisify(readFile);

/**
 * @returns undefined if this host has no such file
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export async function readOnThread(path: string): Promise<string | undefined> {
  return read(path, "latin1").catch(ifAbsent);
}

/** Not every host has every file. ENODEV: the cgroup was removed between open and read. */
export function ifAbsent(thrown: unknown): undefined {
  if (errnoOf(thrown) === "ENOENT" || errnoOf(thrown) === "ENODEV") return undefined;
  throw DriverError.from(thrown, "KERNEL_CALL_FAILED", "the task's use of resources cannot be read");
}
