/** Cleans up after a run whose init has ended. */
import { endCgroup, exitTimeoutMs, waitForRunExit } from "../../effects/cgroup/cgroupEnd.ts";
import type { ProcessIdentity } from "../../effects/processes/processIdentity.ts";
import type { TaskSnapshot } from "../../machines/fold.ts";

/**
 * Ends the processes that a run in the host's pid namespace may leave if its init is killed. Other runs
 * end together with their init. Resolves once the agent can remove the task's cgroup.
 * @param init if it is not in the events
 */
export async function cleanUpRun({ context }: TaskSnapshot, init?: ProcessIdentity): Promise<void> {
  const { request, sandbox, process } = context;
  if (sandbox?.runCgroup) await endCgroup(sandbox.runCgroup, exitTimeoutMs);
  const known = init ?? process?.init ?? sandbox?.init;
  if (request && known) await waitForRunExit(request.resources.cgroup, known);
}
