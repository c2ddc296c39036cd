/**
 * Determines the system calls that a task may not make, from its profile, pid namespace, ports and
 * destinations. Pure.
 */

import { type Denial, OTHER_MACHINE, refusedCall, type Verdict } from "../denial.ts";
import { isSystemCallName, type SystemCallName } from "../kernel/systemCalls.ts";
import { defaultProfile } from "./defaultProfile.ts";
import { type DiskLimited, diskRestrictions } from "./diskRestrictions.ts";
import { type NetworkLimits, portRestrictions } from "./portRestrictions.ts";
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
  /** Calls that are refused (EPERM), and groups that apply with every profile. */
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

/** A task's own options that decide about its filter, besides its profile. */
export interface FilterOptions extends NetworkLimits, DiskLimited {
  readonly pidMode?: "private" | "host" | undefined;
}

/**
 * The filter for a task with these options. The task's capabilities do not matter: none lifts a restriction.
 * @returns undefined if nothing is refused
 */
export function taskFilter(profile: SeccompProfile, options: FilterOptions): TaskFilter | undefined {
  const groups = appliedGroups(profile, options.pidMode);
  const restrictions = [
    ...deniedCalls(profile).map((call): Restriction => ({ calls: [call], errno: "EPERM" })),
    ...limitRestrictions(options),
    ...groups.flatMap((group) => group.restrictions),
  ];
  const refusesUnknown = profile.profile !== UNCONFINED;
  return refusesUnknown || restrictions.length > 0 ? { restrictions, refusesUnknown } : undefined;
}

/** What a task's limits refuse, with every profile. */
export function limitRestrictions(options: FilterOptions): readonly Restriction[] {
  return [...portRestrictions(options), ...diskRestrictions(options)];
}

/**
 * The refusals of a profile for a task in the host's pid namespace, to which all groups apply. A profile that
 * has all refusals of another profile is at least as strict.
 * @returns names of calls, each after the name of its group if a group refuses it: `@mount umount2`
 */
export function refusals(profile: SeccompProfile): ReadonlySet<string> {
  return new Set([
    ...deniedCalls(profile),
    ...appliedGroups(profile, "host").flatMap(({ name, restrictions }) =>
      restrictions.flatMap(({ calls }) => calls.map((call) => `@${name} ${call}`)),
    ),
  ]);
}

/** The groups that apply, without calls that are allowed individually. */
function appliedGroups(
  { profile, allow, deny }: SeccompProfile,
  pidMode: FilterOptions["pidMode"],
): RestrictionGroup[] {
  const applies = ({ name, onlyInHostPids }: RestrictionGroup) =>
    deny.includes(`@${name}`) ||
    (profile !== UNCONFINED &&
      !allow.includes(`@${name}`) &&
      (pidMode === "host" || onlyInHostPids !== true));
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
  readonly pidMode?: FilterOptions["pidMode"];
  /** The task's own list of refused calls, which `profile.deny` includes. */
  readonly ownDeny: readonly string[];
}

/**
 * Whether the filter answers a call as a kernel does that lacks it (ENOSYS). Programs then use another call,
 * so such an answer is no denial.
 */
export function isAnsweredAsMissing(
  { blockers: [blocker = ""] }: Denial,
  { profile, pidMode }: Omit<FilterInput, "ownDeny">,
): boolean {
  const call = refusedCall(blocker);
  if (call === undefined || blocker === OTHER_MACHINE || profile === null) return false;
  const filter = taskFilter(profile, { pidMode });
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
export function filterVerdict(
  denial: Denial,
  input: FilterInput,
  capabilities: readonly string[],
): Verdict | undefined {
  const { profile, pidMode, ownDeny } = input;
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
  const groups = appliedGroups(profile, pidMode).filter(({ restrictions }) =>
    restrictions.some(({ calls }) => calls.includes(call)),
  );
  if (groups.length > 0) return { risk: groups.map((group) => riskOf(group, call)).join(". ") };
  if (isDenied) {
    const settings = [{ option: "seccomp_allow", value: [call] }];
    return { settings, permission: `allow_seccomp = ["${call}"]` };
  }
  const lacking = defaultProfile.find(
    (group) =>
      group.restrictions.some(({ calls }) => calls.includes(call)) &&
      takesCapability(group, call) &&
      !group.kernelNeeds?.some((capability) => capabilities.includes(capability)),
  );
  return lacking && { risk: riskOf(lacking, call) };
}

/** Every filter kills 32-bit programs, because the numbers of their calls have other meanings. */
function machineVerdict({ pidMode, ownDeny }: FilterInput, profile: SeccompProfile): Verdict | undefined {
  if (taskFilter(profile, { pidMode }) === undefined) return undefined;
  const unconfined = { profile: UNCONFINED, allow: [], deny: ownDeny };
  if (taskFilter(unconfined, { pidMode }) !== undefined)
    return { never: "Only tasks without seccomp_deny can run 32-bit programs" };
  return {
    risk: `Every filter kills 32-bit programs. The profile ${UNCONFINED} (seccomp) has none, and so allows every system call`,
  };
}

/** Whether the kernel permits the call of a group only to tasks with one of the group's capabilities. */
function takesCapability({ kernelNeeds = [], unprivileged = [] }: RestrictionGroup, call: SystemCallName) {
  return kernelNeeds.length > 0 && !unprivileged.includes(call);
}

/** Why a group refuses a call, and what a task has to be given that needs the call all the same. */
function riskOf(group: RestrictionGroup, call: SystemCallName): string {
  const { name, restrictions, kernelNeeds = [], reason } = group;
  const refusing = restrictions.filter(({ calls }) => calls.includes(call));
  const some = refusing.flatMap(({ what }) => what ?? []);
  const isAlone = defaultProfile.every(
    (other) => other.name === name || !other.restrictions.some(({ calls }) => calls.includes(call)),
  );
  const given = `it takes ${isAlone ? call : `@${name}`} in seccomp_allow (on the client: allow_seccomp)`;
  const capability = takesCapability(group, call)
    ? `, and ${kernelNeeds.join(" or ")} in cap_add (allow_caps) with all that this capability allows`
    : "";
  const what = some.length === 0 ? call : `${call} with ${some.join(", ")}`;
  return `The filter refuses ${what}: ${reason}. For a task that needs it all the same, ${given}${capability}`.replaceAll(
    "`",
    "",
  );
}
