/** Determines the system calls that a task may not make, from its profile, capabilities and ports. Pure. */

import { isSystemCallName, type SystemCallName } from "../kernel/systemCalls.ts";
import { type Denial, OTHER_MACHINE, refusedCall, type Verdict } from "../landlock/denial.ts";
import type { PortLimits } from "../network/ports.ts";
import { defaultProfile } from "./defaultProfile.ts";
import { portRestrictions } from "./portRestrictions.ts";
import type { Restriction, RestrictionGroup } from "./restriction.ts";

/**
 * The profile that a task's options choose, for the task and for later commands in it. The lists contain
 * names of system calls, and names of the default profile's groups with the prefix `@`. Names that this
 * version of the driver does not know have no effect.
 */
export interface SeccompProfile {
  /** `default`, `unconfined`, or an operator's profile, which is the default profile with other lists. */
  readonly profile: string;
  /** Calls that are allowed with any arguments, and groups that do not apply. */
  readonly allow: readonly string[];
  /** Calls that are refused (EPERM), and groups that apply with every profile and all capabilities. */
  readonly deny: readonly string[];
}

/**
 * Numbers from here on are calls of the x32 ABI, a second table of calls for 64-bit
 * programs. Most kernels do not have it, and return ENOSYS.
 */
export const X32_CALLS = 0x40000000;

/** The profile in which no group applies. */
export const UNCONFINED = "unconfined";

export interface TaskFilter {
  /** Of several restrictions of a call, the first that applies decides. */
  readonly restrictions: readonly Restriction[];
  /** Whether calls that this version of the driver does not know return ENOSYS. */
  readonly refusesUnknown: boolean;
}

/**
 * The filter for a task with these capabilities and limits on ports.
 * @param capabilities names of the task's capabilities
 * @returns undefined if nothing is refused
 */
export function taskFilter(
  profile: SeccompProfile,
  capabilities: readonly string[],
  ports: PortLimits,
): TaskFilter | undefined {
  const restrictions = [
    ...deniedCalls(profile).map((call): Restriction => ({ calls: [call], errno: "EPERM" })),
    ...portRestrictions(ports),
    ...appliedGroups(profile, capabilities).flatMap((group) => group.restrictions),
  ];
  const refusesUnknown = profile.profile !== UNCONFINED;
  return refusesUnknown || restrictions.length > 0 ? { restrictions, refusesUnknown } : undefined;
}

/**
 * The refusals of a profile for a task without capabilities. A profile that has all refusals of another
 * profile is at least as strict.
 * @returns names of calls, each after the name of its group if a group refuses it: `@mount umount2`
 */
export function refusals(profile: SeccompProfile): ReadonlySet<string> {
  return new Set([
    ...deniedCalls(profile),
    ...appliedGroups(profile, []).flatMap(({ name, restrictions }) =>
      restrictions.flatMap(({ calls }) => calls.map((call) => `@${name} ${call}`)),
    ),
  ]);
}

/** The groups that apply, without calls that are allowed individually. */
function appliedGroups(
  { profile, allow, deny }: SeccompProfile,
  capabilities: readonly string[],
): RestrictionGroup[] {
  const applies = ({ name, liftedBy = [] }: RestrictionGroup) =>
    deny.includes(`@${name}`) ||
    (profile !== UNCONFINED &&
      !allow.includes(`@${name}`) &&
      !liftedBy.some((capability) => capabilities.includes(capability)));
  return defaultProfile.filter(applies).map((group) => ({
    ...group,
    restrictions: group.restrictions.map((restriction) => ({
      ...restriction,
      calls: restriction.calls.filter((call) => !allow.includes(call)),
    })),
  }));
}

function deniedCalls({ deny }: SeccompProfile): SystemCallName[] {
  return deny.filter(isSystemCallName);
}

/** What decides which system calls a task's filter refuses, apart from the limits on ports. */
export interface FilterInput {
  /** Null on a kernel without filters. */
  readonly profile: SeccompProfile | null;
  /** Names of the task's capabilities. */
  readonly capabilities: readonly string[];
  /** The task's own list of refused calls, which `profile.deny` includes. */
  readonly ownDeny: readonly string[];
}

/**
 * Whether the filter answers a call as a kernel does that lacks it (ENOSYS). Programs then use another call,
 * so such an answer is no denial.
 */
export function isAnsweredAsMissing(
  { blockers: [blocker = ""] }: Denial,
  { profile, capabilities }: Omit<FilterInput, "ownDeny">,
): boolean {
  const call = refusedCall(blocker);
  if (call === undefined || blocker === OTHER_MACHINE || profile === null) return false;
  const filter = taskFilter(profile, capabilities, {});
  // Every filter refuses the calls of x32; the filter of a profile refuses newer calls, too.
  if (!isSystemCallName(call)) {
    return filter !== undefined && (filter.refusesUnknown || Number(call) >= X32_CALLS);
  }
  const refusing = filter?.restrictions.filter(({ calls }) => calls.includes(call)) ?? [];
  return refusing.length > 0 && refusing.every(({ errno }) => errno === "ENOSYS");
}

/**
 * The verdict of a task's profile; undefined if it does not refuse the denied system call. A record lacks the
 * call's arguments, so a call that the profile refuses only with certain arguments counts as refused.
 */
export function filterVerdict(denial: Denial, input: FilterInput): Verdict | undefined {
  const { profile, capabilities, ownDeny } = input;
  const [blocker = ""] = denial.blockers;
  const call = refusedCall(blocker);
  if (call === undefined || profile === null) return undefined;
  if (blocker === OTHER_MACHINE) return machineVerdict(input, profile);
  if (isAnsweredAsMissing(denial, input)) {
    return { never: "The filter answers as a kernel without this call does, and programs use another one" };
  }
  if (!isSystemCallName(call)) return undefined;
  if (ownDeny.includes(call)) return { never: `Only tasks without ${call} in seccomp_deny can use it` };
  const isDenied = deniedCalls(profile).includes(call);
  const groups = appliedGroups(profile, capabilities).filter(({ restrictions }) =>
    restrictions.some(({ calls }) => calls.includes(call)),
  );
  if (groups.length > 0) return { risk: groups.map((group) => riskOf(group, call)).join(". ") };
  if (isDenied) return { option: `seccomp_allow = ["${call}"]`, permission: `allow_seccomp = ["${call}"]` };
  const lacking = defaultProfile.find(
    (group) =>
      group.restrictions.some(({ calls }) => calls.includes(call)) &&
      takesCapability(group, call) &&
      !group.liftedBy?.some((capability) => capabilities.includes(capability)),
  );
  return lacking && { risk: riskOf(lacking, call) };
}

/** Every filter kills 32-bit programs, because the numbers of their calls have other meanings. */
function machineVerdict(
  { capabilities, ownDeny }: FilterInput,
  profile: SeccompProfile,
): Verdict | undefined {
  if (taskFilter(profile, capabilities, {}) === undefined) return undefined;
  const unconfined = { profile: UNCONFINED, allow: [], deny: ownDeny };
  if (taskFilter(unconfined, capabilities, {}) !== undefined)
    return { never: "Only tasks without seccomp_deny can run 32-bit programs" };
  return {
    risk: `Every filter kills 32-bit programs. The profile ${UNCONFINED} (seccomp) has none, and so allows every system call`,
  };
}

/** Whether the kernel permits the call of a group only to tasks with one of the group's capabilities. */
function takesCapability({ liftedBy = [], unprivileged = [] }: RestrictionGroup, call: SystemCallName) {
  return liftedBy.length > 0 && !unprivileged.includes(call);
}

/** Why a group refuses a call, and what a task has to be given that needs the call all the same. */
function riskOf(group: RestrictionGroup, call: SystemCallName): string {
  const { name, restrictions, liftedBy = [], reason } = group;
  const refusing = restrictions.filter(({ calls }) => calls.includes(call));
  const some = refusing.flatMap(({ what }) => what ?? []);
  const isAlone = defaultProfile.every(
    (other) => other.name === name || !other.restrictions.some(({ calls }) => calls.includes(call)),
  );
  const given = takesCapability(group, call)
    ? `it takes ${liftedBy.join(" or ")} in cap_add (on the client: allow_caps), and all that this capability allows`
    : `it takes ${isAlone ? call : `@${name}`} in seccomp_allow (on the client: allow_seccomp)`;
  const what = some.length === 0 ? call : `${call} with ${some.join(", ")}`;
  return `The filter refuses ${what}: ${reason}. For a task that needs it all the same, ${given}`.replaceAll(
    "`",
    "",
  );
}
