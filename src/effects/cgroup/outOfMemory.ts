/** Lack of memory in a task's cgroup: reading what the kernel counts, and being told when it counts. */
import { type FSWatcher, watch } from "node:fs";
import { readKernelFile } from "../kernel/file.ts";
import { parseBytes } from "../stats/cgroupFigures.ts";
import { readOomKills } from "./cgroup.ts";

/** The shape of an `oomSeen` event. */
export interface OutOfMemory {
  readonly kills: number;
  readonly limitBytes: number | null;
  readonly peakBytes: number | null;
}

/**
 * @param killsBefore what the cgroup had counted before the run was in it
 * @returns null where the kernel has killed nothing since, or does not count
 */
export function readOutOfMemory(cgroup: string, killsBefore: number): OutOfMemory | null {
  const kills = (readOomKills(cgroup) ?? 0) - killsBefore;
  if (kills <= 0) return null;
  const bytes = (file: string) => parseBytes(readKernelFile(`${cgroup}/${file}`)) ?? null;
  return { kills, limitBytes: bytes("memory.max"), peakBytes: bytes("memory.peak") };
}

/**
 * Calls back when the kernel may have killed for lack of memory: a second after
 * `memory.events` has changed, when a task whose main process it was is over;
 * and a second from now, for whatever happened until then.
 *
 * Costs a timer and then an inotify watch, all of which share one descriptor,
 * and nothing while nothing happens. A task at its limit makes the kernel change
 * the file a hundred times a second; therefore the second in which nothing is watched.
 * @returns ends the watching; it ends by itself with the cgroup, and never begins without a memory controller
 */
export function watchOutOfMemory(cgroup: string, onSuspicion: () => void): () => void {
  let watcher: FSWatcher | undefined;
  const pause = () => {
    watcher?.close();
    return setTimeout(resume, pauseMs).unref();
  };
  const resume = () => {
    try {
      watcher = watch(`${cgroup}/memory.events`, { persistent: false }, () => {
        timer = pause();
      });
    } catch {
      // No memory controller, no cgroup any more, or no inotify watch left: then the exit alone tells.
      return;
    }
    watcher.on("error", () => watcher?.close());
    // Now that nothing can be missed.
    onSuspicion();
  };
  let timer = pause();
  return () => {
    clearTimeout(timer);
    watcher?.close();
  };
}

const pauseMs = 1_000;
