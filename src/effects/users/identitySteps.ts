/** Steps that switch the task's process to its user, and leave it only the task's capabilities. Pure. */

import { DriverError } from "../../base/errors.ts";
import { capabilityName, capabilityNumbers } from "../kernel/capabilities.ts";
import * as k from "../kernel/constants.ts";
import { capabilityData, capabilityHeader, groupList } from "../kernel/structs.ts";
import { bytes, type Flags, flags, type Step } from "../plan/plan.ts";
import type { TaskCapabilities } from "./capabilities.ts";

const { PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE } = k;

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. The task inherits none from this process. */
  readonly groups: readonly number[];
  /** Undefined if the change of user alone leaves the right capability sets. */
  readonly capabilities: TaskCapabilities | undefined;
}

/**
 * Groups and bounding set come first, because the change of uid takes away the right to change them.
 * @throws DriverError `USER_FORBIDDEN` for a uid or gid that the kernel would not set
 */
export function identitySteps({ uid, gid, groups, capabilities }: Identity): Step[] {
  for (const id of [uid, gid, ...groups]) checkId(id);
  const list = bytes(groupList(groups), `[${groups.join(", ")}]`);
  const becomeUser: Step = { name: "set uid", call: "setresuid", args: [uid, uid, uid] };
  return [
    { name: "set groups", call: "setgroups", args: [groups.length, list] },
    { name: "set gid", call: "setresgid", args: [gid, gid, gid] },
    ...(capabilities === undefined ? [becomeUser] : boundedSteps(uid, becomeUser, capabilities)),
    // For users other than root, the change of uid drops all capabilities, unless the agent's securebits keep
    // them: capabilities(7).
    ...(capabilities === undefined && uid === 0 ? [] : [capabilityStep(uid, capabilities?.kept ?? 0n)]),
    ...(uid === 0 ? [] : ambientSteps(capabilities?.kept ?? 0n)),
  ];
}

/** The order of the steps follows capabilities(7), "Transformation of capabilities during execve()". */
function boundedSteps(uid: number, becomeUser: Step, { kept, dropped }: TaskCapabilities): Step[] {
  const bound = capabilityNumbers(dropped).map(
    (number): Step => ({
      name: "drop capabilities from the bounding set",
      call: "prctl",
      args: [flags({ PR_CAPBSET_DROP }), capability(number), 0, 0, 0],
    }),
  );
  const keep: Step = {
    name: "keep capabilities across the change of uid",
    call: "prctl",
    args: [flags({ PR_SET_KEEPCAPS }), 1, 0, 0, 0],
  };
  return [...bound, ...(uid === 0 || kept === 0n ? [] : [keep]), becomeUser];
}

/**
 * Root's programs get capabilities from the bounding set. Other users' programs get them from the ambient and
 * inheritable sets.
 */
function capabilityStep(uid: number, kept: bigint): Step {
  const inheritable = uid === 0 ? 0n : kept;
  const data = capabilityData({ effective: kept, permitted: kept, inheritable });
  const header = bytes(capabilityHeader(), "{version: 3, pid: 0}");
  const meaning = `{effective: ${hex(kept)}, permitted: ${hex(kept)}, inheritable: ${hex(inheritable)}}`;
  const name = kept === 0n ? "drop capabilities" : "set capabilities";
  return { name, call: "capset", args: [header, bytes(data, meaning)] };
}

function ambientSteps(kept: bigint): Step[] {
  return capabilityNumbers(kept).map((number) => ({
    name: "raise ambient capabilities",
    call: "prctl",
    args: [flags({ PR_CAP_AMBIENT }), flags({ PR_CAP_AMBIENT_RAISE }), capability(number), 0, 0],
  }));
}

function capability(number: number): Flags {
  return flags({ [`CAP_${capabilityName(number).toUpperCase()}`]: number });
}

function hex(set: bigint): string {
  return set === 0n ? "0" : `0x${set.toString(16)}`;
}

/**
 * Refuses the highest number: setresuid(2) takes it as -1, which means "unchanged". The task would stay root.
 */
function checkId(id: number): void {
  if (Number.isInteger(id) && id >= 0 && id < 0xffffffff) return;
  throw new DriverError("USER_FORBIDDEN", `${id} is not a uid or gid that a task can have`);
}
