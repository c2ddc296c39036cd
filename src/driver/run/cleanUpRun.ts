/** Cleans up after a run whose init has ended. */
import { endCgroup, exitTimeoutMs, waitForRunExit } from "../../effects/cgroup/cgroupEnd.ts";
import {
  type CommandCgroups,
  commandCgroupsOf,
  removeCommandCgroups,
} from "../../effects/exec/commandCgroup.ts";
import type { ProcessIdentity } from "../../effects/processes/processIdentity.ts";
import type { TaskSnapshot } from "../../machines/fold.ts";
import type { TaskContext } from "../../machines/taskContext.ts";

/**
 * Ends the processes that a run in the host's pid namespace may leave if its init is killed. Other runs end
 * together with their init. Removes the cgroups below the task's. Resolves once the agent can remove the
 * task's cgroup.
 * @param init the run's init, if no event names it
 */
export async function cleanUpRun({ context }: TaskSnapshot, init?: ProcessIdentity): Promise<void> {
  const { request, sandbox, process } = context;
  if (sandbox?.runCgroup) await endCgroup(sandbox.runCgroup, exitTimeoutMs);
  const known = init ?? process?.init ?? sandbox?.init;
  if (request && known) await waitForRunExit(request.resources.cgroup, known);
  if (request && sandbox) await removeCommandCgroups(commandCgroups({ request, sandbox }));
}

/** Where the cgroups of a run's commands are. */
export function commandCgroups({ request, sandbox }: SandboxedRun): CommandCgroups {
  return commandCgroupsOf(sandbox.runCgroup ?? request.resources.cgroup, sandbox.runFolder);
}

type SandboxedRun = { readonly [Name in "request" | "sandbox"]: NonNullable<TaskContext[Name]> };
