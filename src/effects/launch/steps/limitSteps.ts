/** Steps that limit each process of a task on its own. The cgroup limits them together. */
import * as k from "../../kernel/constants.ts";
import { rlimit64 } from "../../kernel/structs.ts";
import type { TaskLimit } from "../../processes/resourceLimits.ts";
import type { LateInput } from "../launchInput.ts";
import { bytes, flags, type Step } from "../plan.ts";

/** Must run while the process is still root, because raising a limit requires CAP_SYS_RESOURCE. */
export function limitSteps({ limits, options: { nice } }: Pick<LateInput, "limits" | "options">): Step[] {
  return [...limits.map(limitStep), ...(nice === 0 ? [] : [niceStep(nice)])];
}

/** The calling process: getrlimit(2), setpriority(2). */
const SELF = 0;

function limitStep({ resource, soft, hard }: TaskLimit): Step {
  const limit = bytes(rlimit64({ soft, hard }), `{rlim_cur: ${soft}, rlim_max: ${hard}}`);
  const which = flags({ [resource]: k.resourceNumbers[resource] });
  return { name: `set ${resource}`, call: "prlimit64", args: [SELF, which, limit, 0] };
}

function niceStep(nice: number): Step {
  const { PRIO_PROCESS } = k;
  return { name: "set the nice value", call: "setpriority", args: [flags({ PRIO_PROCESS }), SELF, nice] };
}
