/**
 * The cgroup of a command that runs in a task. It is below the task's cgroup, so the task's limits apply. It
 * holds the command and all that the command starts, so these processes can be found, frozen and killed
 * together.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { cgroupsBelow, commandCgroupPrefix, processesIn } from "../cgroup/cgroup.ts";
import {
  endCgroup,
  exitTimeoutMs,
  freezeCgroup,
  removeWhenEmpty,
  thawCgroup,
  tryRemove,
} from "../cgroup/cgroupEnd.ts";
import { getxattr, setxattr } from "../kernel/libc.ts";
import { type ProcessIdentity, readStat } from "../processes/processIdentity.ts";
import { killProcess } from "../processes/signals.ts";

/** A cgroup to create for a command. */
export interface CommandCgroup {
  /** Absolute path of the cgroup that the task's processes are in. */
  readonly parent: string;
  /** Name of the cgroup's folder in `parent`. */
  readonly name: string;
}

/** The cgroups of a run's commands. */
export interface CommandCgroups {
  readonly parent: string;
  /**
   * Begins the names of this run's cgroups. After a restart of the task, cgroups of two runs may be in
   * `parent`.
   */
  readonly prefix: string;
}

/** @param runFolder the folder of the run's files: the end of its name is the run's own */
export function commandCgroupsOf(parent: string, runFolder: string): CommandCgroups {
  return { parent, prefix: `${commandCgroupPrefix}${runFolder.slice(-8)}-` };
}

/** The name ends in `.scope`, because Nomad's conformance test for drivers expects this of a command's cgroup. */
export function newCommandCgroup({ parent, prefix }: CommandCgroups): CommandCgroup {
  return { parent, name: `${prefix}${randomBytes(4).toString("hex")}.scope` };
}

/** Paths of the existing cgroups of a run's commands. */
export function commandCgroupsIn({ parent, prefix }: CommandCgroups): string[] {
  return cgroupsBelow(parent)
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(parent, name));
}

/**
 * Attribute of a command's cgroup that names the leader of the command's session, as long as the session may
 * have members. The next plugin process finds the members by this attribute. The kernel keeps the attribute
 * with the cgroup, and shows it to root only (xattr(7)).
 */
const sessionAttribute = "trusted.exec2.session";
const noSession = "none";

/** Marks a command's cgroup with the leader of its session. To be called as soon as the leader is known. */
export function markSession(cgroup: string, { pid, startTicks }: ProcessIdentity): void {
  setMark(cgroup, `${pid} ${startTicks}`);
}

/**
 * Kills what is left of a command after its plugin process has died. A cgroup without a mark belongs to a
 * command that had just begun and was not reported, so the whole cgroup is killed.
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export async function endAbandonedCommand(cgroup: string): Promise<void> {
  const mark = getxattr(cgroup, sessionAttribute);
  if (mark === noSession) removeWhenEmpty(cgroup);
  else if (mark === undefined) await endCgroup(cgroup, exitTimeoutMs);
  else {
    const [pid, startTicks] = mark.split(" ").map(Number);
    await endSession(cgroup, { pid: pid ?? 0, startTicks: startTicks ?? 0 });
  }
}

/** Ignores failures: the run may have ended and its cgroups may have been removed. */
function setMark(cgroup: string, mark: string): void {
  try {
    setxattr(cgroup, sessionAttribute, mark);
  } catch {
    // Without a mark the next plugin process kills the whole cgroup. That kills too much rather than too
    // little.
  }
}

/**
 * Kills what is left of a session in a command's cgroup, and removes the cgroup. Processes that have started
 * their own session keep running, and the cgroup is removed after the last of them.
 *
 * All processes are frozen before they are listed. Otherwise members could fork as fast as others are killed,
 * and no list would be complete. If they cannot be frozen in time, all are killed, including those of other
 * sessions.
 * @param leader of the session; it may have ended: its pid is not reused while the session has processes
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export async function endSession(cgroup: string, leader: ProcessIdentity): Promise<void> {
  if (await tryRemove(cgroup)) return;
  try {
    const isFrozen = await freezeCgroup(cgroup, exitTimeoutMs);
    const { members, others } = await readSession(cgroup, leader);
    if (!isFrozen || others === 0) {
      if (await endCgroup(cgroup, exitTimeoutMs)) return;
    } else {
      for await (const member of inTurns(members)) killProcess(member);
    }
  } finally {
    await thawCgroup(cgroup);
  }
  setMark(cgroup, noSession);
  removeWhenEmpty(cgroup);
}

/** Removes the cgroups of a run that has ended. Kills the processes that are left in them. */
export async function removeCommandCgroups(cgroups: CommandCgroups): Promise<void> {
  await Promise.all(commandCgroupsIn(cgroups).map((cgroup) => endCgroup(cgroup, exitTimeoutMs)));
}

interface Session {
  readonly members: readonly ProcessIdentity[];
  /** Number of the cgroup's processes in other sessions. */
  readonly others: number;
}

async function readSession(cgroup: string, leader: ProcessIdentity): Promise<Session> {
  const members: ProcessIdentity[] = [];
  let others = 0;
  for await (const pid of inTurns(processesIn(cgroup))) {
    const stat = readStat(pid);
    if (stat?.session === leader.pid) members.push(stat);
    else if (stat !== undefined) others++;
  }
  return { members, others };
}

/** Number of processes to look at in one turn of the event loop: about a millisecond of work. */
const batch = 32;

async function* inTurns<T>(all: readonly T[]): AsyncGenerator<T> {
  for (const [index, each] of all.entries()) {
    if (index % batch === batch - 1) await setImmediate();
    yield each;
  }
}
