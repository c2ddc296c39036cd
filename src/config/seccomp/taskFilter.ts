/** Determines the system calls that a task may not make, from its profile, capabilities and ports. Pure. */
import { isSystemCallName, type SystemCallName } from "../../systemCalls.ts";
import type { PortLimits } from "../values/ports.ts";
import { defaultProfile } from "./defaultProfile.ts";
import { portRestrictions } from "./portRestrictions.ts";
import type { Restriction, RestrictionGroup } from "./restriction.ts";

/**
 * A task's profile, as its options chose it, for the task and its later commands. The lists
 * have names of system calls, and of groups of the default profile with `@` before them.
 * Names that this version does not know have no effect.
 */
export interface SeccompProfile {
  /** `default`, `unconfined`, or an operator's profile, which is the default one with other lists. */
  readonly profile: string;
  /** Calls that may be made with all their arguments, and groups that do not apply. */
  readonly allow: readonly string[];
  /** Calls that are refused (EPERM), and groups that apply whatever the profile and the capabilities. */
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

/**
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
 * A profile's refusals to tasks without capabilities. A profile with all refusals of another one is at least
 * as strict.
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
