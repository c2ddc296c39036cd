/** Prepares a booted machine for an agent. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";

export const cgroupMount = "/sys/fs/cgroup";

/** The parent of the cgroups of tasks that share the node's cores. */
export const shareSlice = "nomad.slice/share.slice";

/** The parent of the cgroups of tasks with reserved cores. */
export const reserveSlice = "nomad.slice/reserve.slice";

/** Mount point of the only file system that outlives a boot. */
export const diskFolder = "/run/exec2-disk";

export function prepareGuest(): void {
  mkdirSync(diskFolder, { recursive: true });
  execFileSync("mount", ["/dev/vda", diskFolder]);
  // The machine's own links for standard streams lead to its serial ports.
  for (const [fd, name] of ["stdin", "stdout", "stderr"].entries()) {
    rmSync(`/dev/${name}`, { force: true });
    symlinkSync(`/proc/self/fd/${fd}`, `/dev/${name}`);
  }
  for (const slice of [shareSlice, reserveSlice]) makeSlice(slice);
}

/** Delegates controllers from the root down, because a cgroup can delegate only controllers that it has. */
function makeSlice(slice: string): void {
  mkdirSync(`${cgroupMount}/${slice}`, { recursive: true });
  const folders = slice.split("/");
  for (let depth = 0; depth <= folders.length; depth++) {
    const cgroup = [cgroupMount, ...folders.slice(0, depth)].join("/");
    writeFileSync(`${cgroup}/cgroup.subtree_control`, "+memory +cpu +cpuset +pids +io +hugetlb");
  }
}
