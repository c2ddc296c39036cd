/** What is left of a run whose init has ended. */
import { endCgroup, exitTimeoutMs, waitForRunExit } from "../../effects/cgroup/cgroupEnd.ts";
import type { ProcessIdentity } from "../../effects/processes/processIdentity.ts";
import type { TaskSnapshot } from "../../machines/fold.ts";

/**
 * Ends what a run may have left in the host's pid namespace, where its init was killed: any other has
 * ended together with its init. Resolves once the agent can remove the task's cgroup.
 * @param init where it was found otherwise than by the events
 */
export async function cleanUpRun({ context }: TaskSnapshot, init?: ProcessIdentity): Promise<void> {
  const { request, sandbox, process } = context;
  if (sandbox?.runCgroup) await endCgroup(sandbox.runCgroup, exitTimeoutMs);
  const known = init ?? process?.init ?? sandbox?.init;
  if (request && known) await waitForRunExit(request.resources.cgroup, known);
}
