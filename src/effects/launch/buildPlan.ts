/** Builds the system calls that start a task. Pure. */

import * as k from "../kernel/constants.ts";
import { cloneArgs } from "../kernel/structs.ts";
import { taskRuleSteps, unveilSteps } from "../landlock/landlockSteps.ts";
import { closeRangeStep, endWithParentStep, openFolderStep } from "../plan/commonSteps.ts";
import { bytes, descriptors, type EarlyPlan, flags, type LatePlan, place, type Step } from "../plan/plan.ts";
import { identityRecord, statusFileLayout } from "../plan/runLayout.ts";
import { abandonedSteps, heldSteps, initSteps, releaseSteps } from "./initSteps.ts";
import type { EarlyInput, LateInput } from "./launchInput.ts";
import { superviseSteps } from "./superviseSteps.ts";
import { taskSteps } from "./taskSteps.ts";

/** Builds the part of a plan that can start before the rest of the input is known. */
export function buildEarlyPlan(input: EarlyInput): EarlyPlan {
  const { CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS } = k;
  return {
    initName: input.initName,
    aliveFifo: input.aliveFifo,
    cgroup: input.cgroup,
    steps: {
      parent: parentSteps(input.cgroup, {
        ...(input.runCgroup ? {} : { CLONE_NEWPID }),
        ...(input.options.ipcMode === "host" ? {} : { CLONE_NEWIPC }),
        ...(input.hostname === undefined ? {} : { CLONE_NEWUTS }),
      }),
      init: initSteps(input),
      unveil: unveilSteps(input.knownRules),
      held: heldSteps,
      abandoned: abandonedSteps,
      supervise: superviseSteps(input.runCgroup),
    },
  };
}

/** @throws DriverError `USER_FORBIDDEN` for a uid or gid that the kernel would not set */
export function buildLatePlan(input: LateInput): LatePlan {
  const asUser = [
    // In a pid namespace the kernel kills all processes when init exits. Elsewhere this step ends the task's
    // main process with init, and the run's other processes are killed through the run's cgroup.
    ...(input.runCgroup ? [endWithParentStep("end with init")] : []),
    ...taskRuleSteps(input.namespaceRules),
  ];
  return {
    steps: { release: releaseSteps(input), task: taskSteps(input, { identified: [recordTaskStep], asUser }) },
  };
}

/**
 * The plugin may die between init's release and the commit of the task's identity. From this record the next
 * plugin learns whether there was a task, and which process it was.
 */
const recordTaskStep: Step = {
  name: "record the task",
  call: "pwrite64",
  args: [descriptors.status, place("identity"), identityRecord.bytes, statusFileLayout.task],
};

/**
 * The spawned process only forks init and exits. So init is not the plugin's child, and outlives the plugin.
 *
 * Init starts in its cgroup (clone(2), `CLONE_INTO_CGROUP`). Moving a process there through `cgroup.procs`
 * takes 8 ms or more on a host that rarely moves processes, because the kernel waits for an RCU grace period.
 */
export function parentSteps(
  cgroup: string | undefined,
  namespaces: Readonly<Record<string, number>>,
): Step[] {
  const close = "close inherited descriptors";
  const name = "enter namespaces and cgroup";
  const fork = (how: Readonly<Record<string, number>>, meaning: string): Step => {
    const { value, names } = flags(how);
    const attributes = cloneArgs({ flags: value, exitSignal: k.SIGCHLD, cgroup: descriptors.free });
    return {
      name,
      call: "clone3",
      args: [bytes(attributes, `{flags: ${names}, exit_signal: SIGCHLD${meaning}}`), attributes.length],
      flow: { kind: "fork", child: "init", parent: "next" },
    };
  };
  const { CLONE_INTO_CGROUP } = k;
  return [
    // The task must not inherit descriptors that the agent left open. These two steps close all of them, but
    // not the plan's own descriptors. Afterwards, new descriptors get known numbers.
    { name: close, call: "close_range", args: [descriptors.free, descriptors.mounts - 1, 0] },
    closeRangeStep(close, descriptors.mounts + 1),
    ...(cgroup === undefined
      ? [fork(namespaces, "")]
      : [
          openFolderStep(name, cgroup),
          fork({ ...namespaces, CLONE_INTO_CGROUP }, `, cgroup: ${descriptors.free}`),
        ]),
    { name: "exit the parent of init", call: "exit_group", args: [0] },
  ];
}
