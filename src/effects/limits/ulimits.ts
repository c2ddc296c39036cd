/** A task's `ulimit` block: limits of its processes, getrlimit(2). The steps that set a task's limits. Pure. */

import { suggestion } from "../../base/suggest.ts";
import * as k from "../kernel/constants.ts";
import { PRIO_PROCESS } from "../kernel/kernelConstants.ts";
import { type ResourceLimit, rlimit64 } from "../kernel/structs.ts";
import type { OptionProblem } from "../options/optionProblem.ts";
import { oomScoreAdjSteps } from "../plan/commonSteps.ts";
import { bytes, flags, octal, type Step, shared } from "../plan/plan.ts";

/** The constants of getrlimit(2), by their names in jobs. */
const resources = {
  as: "RLIMIT_AS",
  core: "RLIMIT_CORE",
  cpu: "RLIMIT_CPU",
  data: "RLIMIT_DATA",
  fsize: "RLIMIT_FSIZE",
  locks: "RLIMIT_LOCKS",
  memlock: "RLIMIT_MEMLOCK",
  msgqueue: "RLIMIT_MSGQUEUE",
  nice: "RLIMIT_NICE",
  nofile: "RLIMIT_NOFILE",
  nproc: "RLIMIT_NPROC",
  rss: "RLIMIT_RSS",
  rtprio: "RLIMIT_RTPRIO",
  rttime: "RLIMIT_RTTIME",
  sigpending: "RLIMIT_SIGPENDING",
  stack: "RLIMIT_STACK",
} as const;

export type UlimitName = keyof typeof resources;
export type LimitedResource = (typeof resources)[UlimitName];

/** A limit in the resource's own unit; `Infinity` means no limit. */
export interface Ulimit {
  readonly name: UlimitName;
  readonly resource: LimitedResource;
  readonly soft: number;
  readonly hard: number;
}

/** A limit to set; getrlimit(2) documents the units. */
export interface TaskLimit extends ResourceLimit {
  readonly resource: LimitedResource;
}

/** The problem with a name and its value; undefined if both are valid. */
export function ulimitProblem(name: string, value: string): OptionProblem | undefined {
  if (!isName(name)) {
    const hint = suggestion(name, Object.keys(resources));
    return { message: `has ${JSON.stringify(name)}, which is not a limit`, hint };
  }
  const limits = parseValue(value);
  if (limits === undefined) return { message: `has ${name} = ${JSON.stringify(value)}`, hint: usage };
  const { soft, hard } = limits;
  if (soft > hard) {
    return {
      message: `has ${name} = ${JSON.stringify(value)}`,
      hint: "The soft limit is above the hard one",
    };
  }
  if (name === "nofile" && soft < minFiles) {
    const hint = `A task cannot be started with fewer than ${minFiles} open files`;
    return { message: `has nofile = ${JSON.stringify(value)}`, hint };
  }
  return undefined;
}

/** The limits that valid blocks set, in the order of their names. */
export function parseUlimits(blocks: readonly Readonly<Record<string, string>>[]): Ulimit[] {
  const entries = new Map(blocks.flatMap((block) => Object.entries(block)));
  return [...entries].sort().flatMap(([name, value]) => {
    const limits = parseValue(value);
    return isName(name) && limits ? [{ name, resource: resources[name], ...limits }] : [];
  });
}

const usage = 'Write a number, "unlimited", or two of these with a colon between: "1024:4096" is SOFT:HARD';

/** Number of files that the launch itself has open at once. */
const minFiles = 16;

function isName(name: string): name is UlimitName {
  return Object.hasOwn(resources, name);
}

function parseValue(value: string): { soft: number; hard: number } | undefined {
  const [softText = "", hardText = softText, ...more] = value.split(":");
  const [soft, hard] = [parseLimit(softText), parseLimit(hardText)];
  return soft === undefined || hard === undefined || more.length > 0 ? undefined : { soft, hard };
}

function parseLimit(text: string): number | undefined {
  if (text === "unlimited" || text === "-1") return Infinity;
  const limit = /^\d+$/.test(text) ? Number(text) : undefined;
  return limit !== undefined && Number.isSafeInteger(limit) ? limit : undefined;
}

/** The options of a task that are set besides its limits. */
interface LimitingOptions {
  readonly oomScoreAdj?: number | undefined;
  /** Whether memory comes from some nodes of the host alone. */
  readonly numaMemory?: "local" | undefined;
  readonly nice: number;
  /** In octal. */
  readonly umask: string;
}

/**
 * Sets all limits of a process. These steps run while the process is still root, because raising a limit
 * requires CAP_SYS_RESOURCE.
 */
export function limitSteps(
  limits: readonly TaskLimit[],
  { oomScoreAdj, numaMemory, nice, umask }: LimitingOptions,
): Step[] {
  const score = oomScoreAdj ?? (numaMemory ? firstToBeKilled : 0);
  return [
    // Otherwise the process would inherit init's score.
    ...(score === 0 ? resetOomScoreAdj : adjustOomScore(score)),
    ...limits.map(limitStep),
    ...(nice === 0 ? [] : [niceStep(nice)]),
    { name: "set the umask", call: "umask", args: [octal(Number.parseInt(umask, 8))] },
  ];
}

/**
 * A task that fills its nodes makes the kernel kill a process, and by default the largest one of the whole host, even
 * if that has no memory on these nodes. The task that filled them shall be the one: proc_pid_oom_score_adj(5).
 */
const firstToBeKilled = 1000;

/** The calling process: getrlimit(2), setpriority(2). */
const SELF = 0;

function limitStep({ resource, soft, hard }: TaskLimit): Step {
  const limit = bytes(rlimit64({ soft, hard }), `{rlim_cur: ${soft}, rlim_max: ${hard}}`);
  const which = flags({ [resource]: k.resourceNumbers[resource] });
  return { name: `set ${resource}`, call: "prlimit64", args: [SELF, which, limit, 0], hints: limitHints };
}

const limitHints = {
  EPERM:
    "A limit above the agent's own needs CAP_SYS_RESOURCE; no limit of open files can be above the sysctl fs.nr_open",
};

function niceStep(nice: number): Step {
  return { name: "set the nice value", call: "setpriority", args: [flags({ PRIO_PROCESS }), SELF, nice] };
}

function adjustOomScore(score: number): Step[] {
  return oomScoreAdjSteps("set oom_score_adj", score);
}

const resetOomScoreAdj = shared(adjustOomScore(0));
