/** Steps that limit each process of a task on its own. The cgroup limits them together. */
import type { LimitedResource } from "../../../config/options/ulimits.ts";
import * as k from "../../kernel/constants.ts";
import { rlimit64 } from "../../kernel/structs.ts";
import type { TaskLimit } from "../../processes/resourceLimits.ts";
import type { LateInput } from "../launchInput.ts";
import { bytes, flags, type Step } from "../plan.ts";

const numbers: Readonly<Record<LimitedResource, number>> = {
  RLIMIT_AS: k.RLIMIT_AS,
  RLIMIT_CORE: k.RLIMIT_CORE,
  RLIMIT_CPU: k.RLIMIT_CPU,
  RLIMIT_DATA: k.RLIMIT_DATA,
  RLIMIT_FSIZE: k.RLIMIT_FSIZE,
  RLIMIT_LOCKS: k.RLIMIT_LOCKS,
  RLIMIT_MEMLOCK: k.RLIMIT_MEMLOCK,
  RLIMIT_MSGQUEUE: k.RLIMIT_MSGQUEUE,
  RLIMIT_NICE: k.RLIMIT_NICE,
  RLIMIT_NOFILE: k.RLIMIT_NOFILE,
  RLIMIT_NPROC: k.RLIMIT_NPROC,
  RLIMIT_RSS: k.RLIMIT_RSS,
  RLIMIT_RTPRIO: k.RLIMIT_RTPRIO,
  RLIMIT_RTTIME: k.RLIMIT_RTTIME,
  RLIMIT_SIGPENDING: k.RLIMIT_SIGPENDING,
  RLIMIT_STACK: k.RLIMIT_STACK,
};

/** Must run while the process is still root, because raising a limit requires CAP_SYS_RESOURCE. */
export function limitSteps({ limits, options: { nice } }: Pick<LateInput, "limits" | "options">): Step[] {
  return [...limits.map(limitStep), ...(nice === 0 ? [] : [niceStep(nice)])];
}

/** The calling process: getrlimit(2), setpriority(2). */
const SELF = 0;

function limitStep({ resource, soft, hard }: TaskLimit): Step {
  const limit = bytes(rlimit64({ soft, hard }), `{rlim_cur: ${soft}, rlim_max: ${hard}}`);
  const which = flags({ [resource]: numbers[resource] });
  return { name: `set ${resource}`, call: "prlimit64", args: [SELF, which, limit, 0] };
}

function niceStep(nice: number): Step {
  const { PRIO_PROCESS } = k;
  return { name: "set the nice value", call: "setpriority", args: [flags({ PRIO_PROCESS }), SELF, nice] };
}
