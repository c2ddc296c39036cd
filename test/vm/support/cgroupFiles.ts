/** Reads the kernel's files of a cgroup. */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** A whole file, without the line's end. */
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

/** CPU time that the cgroup uses from now on, in cores: 0.5 is half of one. */
export async function coresUsed(cgroup: string, milliseconds = 4000): Promise<number> {
  const [usedBefore, before] = [cgroupCount(cgroup, "cpu.stat", "usage_usec"), performance.now()];
  await delay(milliseconds);
  const used = cgroupCount(cgroup, "cpu.stat", "usage_usec") - usedBefore;
  return used / 1000 / (performance.now() - before);
}
