/** OOM kills in a task's cgroup: reads the kernel's counters, and watches them. */
import { type FSWatcher, watch } from "node:fs";
import { readKernelFile } from "../kernel/kernelFiles.ts";
import { readOomKills } from "./cgroup.ts";
import { parseBytes } from "./cgroupFigures.ts";

/** The shape of an `oomSeen` event. */
export interface OutOfMemory {
  readonly kills: number;
  readonly limitBytes: number | null;
  readonly peakBytes: number | null;
}

/**
 * @param killsBefore the cgroup's counter before the run
 * @returns null if the run had no OOM kill, or if the kernel does not count OOM kills
 */
export function readOutOfMemory(cgroup: string, killsBefore: number): OutOfMemory | null {
  const kills = (readOomKills(cgroup) ?? 0) - killsBefore;
  if (kills <= 0) return null;
  const bytes = (file: string) => parseBytes(readKernelFile(`${cgroup}/${file}`)) ?? null;
  return { kills, limitBytes: bytes("memory.max"), peakBytes: bytes("memory.peak") };
}

/**
 * Calls back when there may have been an OOM kill: the first time after a second, in case of earlier kills,
 * and later a second after each change of `memory.events`. If the kernel killed the main process, the task
 * has already ended by the time of the call.
 *
 * Watching takes a timer, then an inotify watch (all watches share one descriptor), and no CPU time while
 * nothing happens. A task at its limit makes the kernel change the file a hundred times a second. So no watch
 * is set for a second after each change.
 * @returns a function that stops watching. The watch stops by itself when the cgroup is removed, and does not
 *   start without a memory controller
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
      // There is no memory controller, the cgroup was removed, or no inotify watch is left. OOM kills are
      // then noticed only at the exit.
      return;
    }
    watcher.on("error", () => watcher?.close());
    // After the watch is set, so that no change is missed.
    onSuspicion();
  };
  let timer = pause();
  return () => {
    clearTimeout(timer);
    watcher?.close();
  };
}

const pauseMs = 1_000;
