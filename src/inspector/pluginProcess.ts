/** Which plugin process owns a state folder: whoever holds the lock in it. */
import { readFileSync, statSync } from "node:fs";
import { stateFolderPaths } from "../store/stateFolder.ts";

/**
 * Looked up among the kernel's locks, proc_locks(5): taking the lock to see
 * whether it is free would keep a plugin out that starts just then.
 * @returns its pid; undefined where no process holds the lock
 */
export function pluginOf(stateFolder: string): number | undefined {
  try {
    const { ino } = statSync(stateFolderPaths(stateFolder).lock);
    const held = readFileSync("/proc/locks", "utf8")
      .split("\n")
      .map((line) => / FLOCK .* (\d+) [0-9a-f]+:[0-9a-f]+:(\d+) /.exec(line));
    const found = held.find((match) => Number(match?.[2]) === ino);
    return found ? Number(found[1]) : undefined;
  } catch {
    return undefined;
  }
}
