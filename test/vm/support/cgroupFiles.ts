/** Reads the kernel's files of a cgroup. */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** The content of a file, without the final newline. */
export function cgroupFile(cgroup: string, file: string): string {
  return readFileSync(`${cgroup}/${file}`, "utf8").trimEnd();
}

/** A number from a file with a key on each line, such as `memory.events`. */
export function cgroupCount(cgroup: string, file: string, key: string): number {
  const line = cgroupFile(cgroup, file)
    .split("\n")
    .find((each) => each.startsWith(`${key} `));
  if (line === undefined) throw new Error(`${cgroup}/${file} has no ${key}`);
  return Number(line.slice(key.length + 1));
}

/** The number of cores that the cgroup uses from now on, on average: 0.5 is half a core. */
export async function coresUsed(cgroup: string, milliseconds = 4000): Promise<number> {
  const [usedBefore, before] = [cgroupCount(cgroup, "cpu.stat", "usage_usec"), performance.now()];
  await delay(milliseconds);
  const used = cgroupCount(cgroup, "cpu.stat", "usage_usec") - usedBefore;
  return used / 1000 / (performance.now() - before);
}
