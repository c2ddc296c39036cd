/** Finding a run's init again without having been told its pid. */
import { readFileSync, readlinkSync } from "node:fs";
import { errnoOf } from "../errors.ts";
import { descriptors } from "./launch/plan.ts";
import { kept } from "./launch/superviseSteps.ts";
import { type ProcessIdentity, processIdentity } from "./processIdentity.ts";

/**
 * The init that holds a run's alive FIFO open, among the processes of the run's cgroup.
 * @returns undefined where there is none
 */
export function findInit(cgroup: string, aliveFifo: string): ProcessIdentity | undefined {
  const pid = processesOf(cgroup).find((each) => heldAt.some((number) => opens(each, number) === aliveFifo));
  return pid === undefined ? undefined : processIdentity(pid);
}

/** Where init has the FIFO: before and after it has forked the task. */
const heldAt = [descriptors.alive, kept.alive];

/** Pids of a cgroup's processes; none where the cgroup is gone. */
export function processesOf(cgroup: string): number[] {
  try {
    return readFileSync(`${cgroup}/cgroup.procs`, "utf8").split("\n").filter(Boolean).map(Number);
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
    return [];
  }
}

/** What a process has open under a number; undefined for a number that is not in use, and a process that is gone. */
function opens(pid: number, number: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${number}`);
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
    return undefined;
  }
}
