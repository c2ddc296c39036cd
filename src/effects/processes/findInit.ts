/** Finding a run's init again without having been told its pid. */
import { readlinkSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import { processesIn } from "../cgroup/cgroup.ts";
import { descriptors } from "../launch/plan.ts";
import { kept } from "../launch/steps/superviseSteps.ts";
import { type ProcessIdentity, processIdentity } from "./processIdentity.ts";

/**
 * The init that holds a run's alive FIFO open, among the processes of the run's cgroup,
 * also where the FIFO's name has been removed.
 * @returns undefined where there is none
 */
export function findInit(cgroup: string, aliveFifo: string): ProcessIdentity | undefined {
  // What proc_pid_fd(5) calls a file whose name is gone.
  const names = [aliveFifo, `${aliveFifo} (deleted)`];
  const isInit = (pid: number) => heldAt.some((number) => names.includes(opens(pid, number) ?? ""));
  const pid = processesIn(cgroup).find(isInit);
  return pid === undefined ? undefined : processIdentity(pid);
}

/** Where init has the FIFO: before and after it has forked the task. */
const heldAt = [descriptors.alive, kept.alive];

/** What a process has open under a number; undefined for a number that is not in use, and a process that is gone. */
function opens(pid: number, number: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${number}`);
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
    return undefined;
  }
}
