/**
 * The disks behind paths of the host, for limits of I/O: `io.max` takes whole disks only. A device-mapper, RAID or loop
 * device is a disk of its own, and is limited there; a partition is limited on its disk.
 */
import { readdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { readKernelFile } from "../kernel/kernelFiles.ts";
import type { PlacedMount, TaskFolders } from "../layout/layout.ts";
import { hostMounts } from "../paths/hostMounts.ts";
import { innermostMount, mountLines } from "../paths/mountinfo.ts";
import type { CgroupWrite } from "./cgroupPlan.ts";
import { type IoBlocks, type IoDevice, type IoDevices, planIo, type WeightScheduler } from "./ioLimits.ts";

/** A folder of a task. */
export interface IoPlace {
  /** Its name in a sentence, such as `the volume at /srv`. */
  readonly what: string;
  /** Path on the host, which has to answer. */
  readonly path: string;
}

/**
 * The limits of a task's I/O on the disks behind its folders and volumes; none for most tasks. The file systems of all
 * of these have to answer.
 * @throws DriverError as `planIo` does
 */
export function planIoOf(
  { io }: { readonly io: IoBlocks },
  { ioMax }: { readonly ioMax: IoBlocks },
  { folders, mounts }: { readonly folders: TaskFolders; readonly mounts: readonly PlacedMount[] },
  cgroupMount: string | undefined,
): CgroupWrite[] {
  if (io.length === 0 && ioMax.length === 0) return [];
  const volumes = mounts
    .filter(({ kind }) => kind === "volume")
    .map(({ source, target }) => ({ what: `the volume at ${target}`, path: source }));
  const own = [
    { what: "the task's folder", path: folders.taskDir },
    { what: "the allocation's folder", path: folders.allocDir },
  ];
  return planIo(io, ioMax, findIoDevices([...own, ...volumes], cgroupMount));
}

/**
 * The disks behind the places. File systems in memory (tmpfs) do no I/O, and are left out, and so are places that do
 * not exist: other steps of a start say what is missing.
 * @param cgroupMount mount point of cgroup v2
 */
export function findIoDevices(places: readonly IoPlace[], cgroupMount: string | undefined): IoDevices {
  const devices = new Map<string, IoDevice>();
  const unlimited: string[] = [];
  const qos = costModel(cgroupMount);
  for (const { what, path } of places) {
    const status = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (status === undefined) continue;
    const folder = diskFolder(deviceNumber(status.dev));
    if (folder !== undefined) {
      const number = readKernelFile(`${folder}/dev`)?.trim() ?? "";
      devices.set(number, { number, name: basename(folder), obeys: schedulersOf(folder, qos) });
      continue;
    }
    const reason = reasonWithout(path);
    if (reason !== undefined) unlimited.push(`${what} (${reason})`);
  }
  return { devices: [...devices.values()], unlimited };
}

/**
 * Whether a weight has an effect on any disk of the host.
 * @param disks the folder in sysfs that has one for each disk
 */
export function obeysWeights(cgroupMount: string | undefined, disks: string): boolean {
  const qos = costModel(cgroupMount);
  if (/ enable=1\b/.test(qos)) return true;
  for (const name of entriesOf(disks)) {
    const schedulers = schedulersIn(`${disks}/${name}`);
    if (schedulers.includes("[bfq]")) return true;
    // A disk that can have one lists all that the kernel has. So the first one answers for hundreds of others.
    if (/\S\s+\S/.test(schedulers) && !schedulers.includes("bfq")) return false;
  }
  return false;
}

/** `io.cost.qos` of the root cgroup: a line for each disk. */
function costModel(cgroupMount: string | undefined): string {
  return cgroupMount === undefined ? "" : (readKernelFile(`${cgroupMount}/io.cost.qos`) ?? "");
}

/** `major:minor` of a device number: makedev(3). */
function deviceNumber(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** The folder of a device's disk in sysfs; undefined for a number that is no block device's. */
function diskFolder(number: string): string | undefined {
  try {
    return wholeDisk(`/sys/dev/block/${number}`);
  } catch {
    return undefined;
  }
}

/**
 * The schedulers that divide the time of a disk by weights. A disk that is made of others has none of its own, so all
 * of these must have one.
 * @param qos `io.cost.qos` of the root cgroup
 */
function schedulersOf(folder: string, qos: string): WeightScheduler[] {
  const below = entriesOf(`${folder}/slaves`);
  if (below.length > 0) {
    const each = below.map((name) => schedulersOf(wholeDisk(`${folder}/slaves/${name}`), qos));
    return each.every((some) => some.length > 0) ? [...new Set(each.flat())] : [];
  }
  const number = readKernelFile(`${folder}/dev`)?.trim();
  const hasCost = qos.split("\n").some((line) => line.startsWith(`${number} enable=1`));
  return [...(hasCost ? (["iocost"] as const) : []), ...(usesBfq(folder) ? (["bfq"] as const) : [])];
}

/** The folder in sysfs of a device's disk, by a link to the device's folder. */
function wholeDisk(link: string): string {
  const folder = realpathSync.native(link);
  return readKernelFile(`${folder}/partition`) === undefined ? folder : dirname(folder);
}

function usesBfq(folder: string): boolean {
  return schedulersIn(folder).includes("[bfq]");
}

/** Such as `none [mq-deadline] bfq`; `none` alone for a disk that can have no scheduler. */
function schedulersIn(folder: string): string {
  return readKernelFile(`${folder}/queue/scheduler`) ?? "";
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Why no disk is behind a path; undefined if it is in memory. */
function reasonWithout(path: string): string | undefined {
  const { mountinfo, remote } = hostMounts();
  const mount = innermostMount(mountLines(mountinfo), realpathSync.native(path));
  const { type, point } = mount ?? { type: "its file system", point: "" };
  if (type === "tmpfs" || type === "ramfs") return undefined;
  if (remote.has(point)) return `${type} is served by another machine or a process`;
  return type === "overlay" ? "overlay is stacked on other file systems" : `${type} names no disk of its own`;
}
