/** Finds a run's init without knowing its pid. */
import { readlinkSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import { processesIn } from "../cgroup/cgroup.ts";
import { descriptors } from "../launch/plan.ts";
import { kept } from "../launch/steps/superviseSteps.ts";
import { type ProcessIdentity, processIdentity } from "./processIdentity.ts";

/**
 * Finds the process in the run's cgroup that has the run's alive FIFO open, even if
 * the FIFO's name was removed.
 * @returns undefined if there is none
 */
export function findInit(cgroup: string, aliveFifo: string): ProcessIdentity | undefined {
  // proc_pid_fd(5) marks a file whose name was removed.
  const names = [aliveFifo, `${aliveFifo} (deleted)`];
  const isInit = (pid: number) => fifoNumbers.some((number) => names.includes(openFile(pid, number) ?? ""));
  const pid = processesIn(cgroup).find(isInit);
  return pid === undefined ? undefined : processIdentity(pid);
}

/** Init's descriptor of the FIFO, before and after it forks the task. */
const fifoNumbers = [descriptors.alive, kept.alive];

/** Path of a process's open file by its descriptor; undefined if either does not exist. */
function openFile(pid: number, number: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${number}`);
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
    return undefined;
  }
}
