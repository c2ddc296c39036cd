/** The files that processes of a task have open for writing: a copy of such a file may be half of it. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { cgroupTree, processesIn } from "../cgroup/cgroup.ts";
import { O_RDWR, O_WRONLY } from "../kernel/constants.ts";

/** Maximum number of descriptors to look at: a task may have a million. */
const maxLooks = 100_000;

/** The pid of a process that may write to a file, by the file's {@link fileKey}. */
export type Writers = ReadonlyMap<string, number>;

export function fileKey({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${dev}:${ino}`;
}

/** @param cgroup of the task; the cgroups below it count, too */
export function openWriters(cgroup: string): Writers {
  const writers = new Map<string, number>();
  let looks = 0;
  for (const pid of cgroupTree(cgroup).flatMap((each) => processesIn(each.toString()))) {
    for (const descriptor of descriptorsOf(pid)) {
      if (++looks > maxLooks) return writers;
      const key = writtenFile(pid, descriptor);
      if (key !== undefined && !writers.has(key)) writers.set(key, pid);
    }
  }
  return writers;
}

function descriptorsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    // The process has exited.
    return [];
  }
}

function writtenFile(pid: number, descriptor: string): string | undefined {
  try {
    const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, "utf8"))?.[1];
    if ((Number.parseInt(flags ?? "0", 8) & (O_WRONLY | O_RDWR)) === 0) return undefined;
    const status = statSync(`/proc/${pid}/fd/${descriptor}`, { bigint: true });
    return status.isFile() ? fileKey(status) : undefined;
  } catch {
    // The descriptor was closed, or the process has exited.
    return undefined;
  }
}
