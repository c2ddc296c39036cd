/** The processes of a command that was run in a task: those in its session, credentials(7). */
import { processesIn } from "../cgroup/cgroup.ts";
import { type ProcessIdentity, readStat } from "../processes/processIdentity.ts";
import { killProcess } from "../processes/signals.ts";

/**
 * Kills what is left of a session, its leader included. Processes that have
 * started a session of their own live on.
 * @param cgroup of the task, which holds the whole session
 * @param leader of the session; it may have ended: its pid is not reused while the session has processes
 */
export function endSession(cgroup: string, leader: ProcessIdentity): void {
  const killed = new Set<string>();
  // Repeats until it finds no new process, since a member may fork while the others are read.
  for (let before = -1; before < killed.size; ) {
    before = killed.size;
    for (const member of membersOf(cgroup, leader)) {
      killProcess(member);
      killed.add(`${member.pid}/${member.startTicks}`);
    }
  }
}

function membersOf(cgroup: string, { pid, startTicks }: ProcessIdentity): ProcessIdentity[] {
  return processesIn(cgroup).flatMap((each) => {
    const stat = readStat(each);
    return stat !== undefined && stat.session === pid && stat.startTicks >= startTicks ? [stat] : [];
  });
}
