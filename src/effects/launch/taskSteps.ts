/** What the task's process does before it becomes the task's command. */
import { DriverError } from "../../errors.ts";
import * as k from "../kernel/constants.ts";
import { capabilityHeader, groupList, noCapabilities, rlimit64 } from "../kernel/structs.ts";
import { closeRangeStep, oomScoreAdjSteps, reportIdentitySteps } from "./fileSteps.ts";
import { taskRuleSteps } from "./landlockSteps.ts";
import type { LaunchInput } from "./launchInput.ts";
import { bytes, descriptors, flags, octal, type Step, type Strings } from "./plan.ts";

const { RLIMIT_NOFILE, PR_SET_NO_NEW_PRIVS, CLOSE_RANGE_CLOEXEC } = k;

export function taskSteps(input: LaunchInput): Step[] {
  return [
    // A group of its own, which signals are sent to.
    { name: "give the task a session", call: "setsid", args: [] },
    ...reportIdentitySteps("report the task"),
    // Init's own is inherited otherwise.
    ...oomScoreAdjSteps("set oom_score_adj", input.oomScoreAdj),
    openFilesLimitStep(input),
    { name: "set the umask", call: "umask", args: [octal(input.umask)] },
    ...identitySteps(input),
    // With the task's rights: root could enter folders that are none of the task's business.
    { name: "enter the working directory", call: "chdir", args: [input.workDir] },
    { name: "forbid new privileges", call: "prctl", args: [flags({ PR_SET_NO_NEW_PRIVS }), 1, 0, 0, 0] },
    ...taskRuleSteps(input.namespaceRules),
    { name: "restrict by Landlock", call: "landlock_restrict_self", args: [descriptors.ruleset, 0] },
    closeRangeStep("hide descriptors", descriptors.stderr + 1, flags({ CLOSE_RANGE_CLOEXEC })),
    {
      name: "execute the command",
      call: "execve",
      args: [input.command, strings([input.name, ...input.args]), environment(input.env)],
    },
  ];
}

function openFilesLimitStep({ noFile }: LaunchInput): Step {
  const limit = bytes(rlimit64(noFile), `{rlim_cur: ${noFile.soft}, rlim_max: ${noFile.hard}}`);
  const self = 0;
  return { name: "limit open files", call: "prlimit64", args: [self, flags({ RLIMIT_NOFILE }), limit, 0] };
}

/** Groups first: the right to set them goes with the uid. */
function identitySteps({ uid, gid, groups }: LaunchInput): Step[] {
  for (const id of [uid, gid, ...groups]) checkId(id);
  const list = bytes(groupList(groups), `[${groups.join(", ")}]`);
  const header = bytes(capabilityHeader(), "{version: 3, pid: 0}");
  const none = bytes(noCapabilities(), "{effective: 0, permitted: 0, inheritable: 0}");
  return [
    { name: "set groups", call: "setgroups", args: [groups.length, list] },
    { name: "set gid", call: "setresgid", args: [gid, gid, gid] },
    { name: "set uid", call: "setresuid", args: [uid, uid, uid] },
    // The change of uid has done it, unless the agent runs with securebits(7) that keep capabilities.
    ...(uid === 0 ? [] : [{ name: "drop capabilities", call: "capset", args: [header, none] } as const]),
  ];
}

/** setresuid(2) takes the highest number, -1, for "as it is", which is root here. */
function checkId(id: number): void {
  if (Number.isInteger(id) && id >= 0 && id < 0xffffffff) return;
  throw new DriverError("USER_FORBIDDEN", `${id} is no uid or gid that a task can have`);
}

function environment(env: LaunchInput["env"]): Strings {
  const entries = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return { kind: "strings", strings: entries, secret: true };
}

function strings(list: readonly string[]): Strings {
  return { kind: "strings", strings: list, secret: false };
}
