/**
 * The mounts of this process's mount namespace. Remote mounts are those that another machine or a process
 * serves.
 */
import { openSync, readFileSync } from "node:fs";
import { POLLPRI } from "../kernel/constants.ts";
import { poll } from "../kernel/libc.ts";
import { follow } from "./followPath.ts";
import { lookAt } from "./hostPaths.ts";
import { mountLines, remoteMountPoints } from "./mountinfo.ts";
import { MountTable } from "./mountTable.ts";

/** Whether a path of the host leads to a remote file system. */
export function isRemote(path: string): boolean {
  return remoteMountOnTheWay(path) !== undefined;
}

/** The host's mounts. Every change to the mounts leads to a new object. */
export interface HostMounts {
  /** proc_pid_mountinfo(5) */
  readonly mountinfo: string;
  /** The mount points of remote file systems. */
  readonly remote: ReadonlySet<string>;
  /** The same mounts, made into a table at the first call. */
  readonly table: () => MountTable;
}

let known: { readonly descriptor: number; readonly mounts: HostMounts } | undefined;

/**
 * The host's mounts. They are read again only after a change, which the kernel reports by POLLPRI
 * (proc_pid_mounts(5)).
 */
export function hostMounts(): HostMounts {
  if (known !== undefined && !poll(known.descriptor, POLLPRI)) return known.mounts;
  // The polled descriptor is opened before the file is read, so that no change is missed.
  const descriptor = known?.descriptor ?? openSync("/proc/self/mountinfo", "r");
  const mountinfo = readFileSync("/proc/self/mountinfo", "utf8");
  let made: MountTable | undefined;
  const table = () => {
    made ??= new MountTable(mountinfo);
    return made;
  };
  known = { descriptor, mounts: { mountinfo, remote: new Set(remoteMountPoints(mountinfo)), table } };
  return known.mounts;
}

/** The number of the mount that an open file was reached through: proc_pid_fdinfo(5). */
export function mountIdOf(descriptor: number): number {
  const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8");
  return Number(/^mnt_id:\s*(\d+)$/m.exec(info)?.[1]);
}

/**
 * The type of the file system that an open file is on; undefined if its mount is not in this namespace. Parses no other
 * mount: a host with many allocations has thousands.
 */
export function fileSystemOf(descriptor: number): string | undefined {
  const { mountinfo } = hostMounts();
  const line = new RegExp(`^${mountIdOf(descriptor)} .*$`, "m").exec(mountinfo)?.[0] ?? "";
  return mountLines(line)[0]?.type;
}

/**
 * The first remote mount point on a path of the host. The walk ends at the mount point and does not enter it.
 */
export function remoteMountOnTheWay(path: string): string | undefined {
  const { remote } = hostMounts();
  if (remote.size === 0) return undefined;
  let met: string | undefined;
  follow(path, (at) => {
    if (!remote.has(at)) return lookAt(at);
    met = at;
    return undefined;
  });
  return met;
}
