/** The processes of a command that was run in a task: those of its session, credentials(7). */
import { processesIn } from "../cgroup/cgroup.ts";
import { type ProcessIdentity, readStat } from "../processes/processIdentity.ts";
import { killProcess } from "../processes/signals.ts";

/**
 * Kills what is left of a session, its leader included. Whoever has made a
 * session of its own has left it, and stays.
 * @param cgroup of the task: all of them are in it
 * @param leader of the session; it may have ended, and its number is not used again while one of them lives
 */
export function endSession(cgroup: string, leader: ProcessIdentity): void {
  const killed = new Set<string>();
  // Until nobody new is found: one may have been forked while the others were looked at.
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
