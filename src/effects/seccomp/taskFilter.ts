/** Determines the system calls that a task may not make, from its profile, pid namespace and ports. Pure. */

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
  /** Calls that are refused (EPERM), and groups that apply with every profile. */
  readonly deny: readonly string[];
}

/** The profile in which no group applies. */
export const UNCONFINED = "unconfined";

export interface TaskFilter {
  /** Of several restrictions of a call, the first that applies decides. */
  readonly restrictions: readonly Restriction[];
  /** Whether calls that this version of the driver does not know return ENOSYS. */
  readonly refusesUnknown: boolean;
}

/** A task's own options that decide about its filter, besides its profile. */
export interface FilterOptions extends PortLimits {
  readonly pidMode?: "private" | "host" | undefined;
}

/**
 * The filter for a task with these options. The task's capabilities do not matter: none lifts a restriction.
 * @returns undefined if nothing is refused
 */
export function taskFilter(profile: SeccompProfile, options: FilterOptions): TaskFilter | undefined {
  const restrictions = [
    ...deniedCalls(profile).map((call): Restriction => ({ calls: [call], errno: "EPERM" })),
    ...portRestrictions(options),
    ...appliedGroups(profile, options.pidMode).flatMap((group) => group.restrictions),
  ];
  const refusesUnknown = profile.profile !== UNCONFINED;
  return refusesUnknown || restrictions.length > 0 ? { restrictions, refusesUnknown } : undefined;
}

/**
 * The refusals of a profile for a task in the host's pid namespace, to which all groups apply. A profile that has all refusals of another
 * profile is at least as strict.
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
 * The verdict of a task's profile; undefined if it does not refuse the denied system call. A record lacks the
 * call's arguments, so a call that the profile refuses only with certain arguments counts as refused.
 */
export function filterVerdict(
  { blockers: [blocker = ""] }: Denial,
  { profile, pidMode, ownDeny }: FilterInput,
): Verdict | undefined {
  const call = refusedCall(blocker);
  if (call === undefined || profile === null) return undefined;
  const filterOf = (each: SeccompProfile) => taskFilter(each, { pidMode });
  const filter = filterOf(profile);
  if (!isSystemCallName(call)) {
    // Every filter kills 32-bit programs. Only the filter of a profile refuses calls that are unknown.
    const unconfined = filterOf({ profile: UNCONFINED, allow: [], deny: ownDeny });
    const refuses = (each: TaskFilter | undefined) =>
      blocker === OTHER_MACHINE ? each !== undefined : each?.refusesUnknown === true;
    if (!refuses(filter)) return undefined;
    if (refuses(unconfined)) return { never: "Only tasks without seccomp_deny can run 32-bit programs" };
    return { option: `seccomp = "${UNCONFINED}"`, permission: `allow_seccomp = ["${UNCONFINED}"]` };
  }
  if (!filter?.restrictions.some(({ calls }) => calls.includes(call))) return undefined;
  if (ownDeny.includes(call)) return { never: `Only tasks without ${call} in seccomp_deny can use it` };
  return { option: `seccomp_allow = ["${call}"]`, permission: `allow_seccomp = ["${call}"]` };
}
