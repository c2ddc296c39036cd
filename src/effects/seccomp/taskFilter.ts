/** Determines the system calls that a task may not make, from its profile, capabilities and ports. Pure. */
import * as k from "../kernel/kernelConstants.ts";
import { isSystemCallName, type SystemCallName } from "../kernel/systemCalls.ts";
import type { PortLimits } from "../network/ports.ts";
import { defaultProfile } from "./defaultProfile.ts";
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

/**
 * With every profile, limits on ports need these restrictions in addition to Landlock. Landlock checks ports
 * only when a TCP or UDP socket gets an address, but there are other ways to connect, listen and send.
 */
function portRestrictions(limits: PortLimits): readonly Restriction[] {
  const { connectTcp, bindTcp, connectUdp, bindUdp } = limits;
  return [
    ...(connectTcp === undefined && bindTcp === undefined ? [] : forTcp),
    ...(connectTcp === undefined ? [] : connecting),
    ...(bindTcp?.length === 0 ? [listening] : []),
    ...(connectUdp === undefined && bindUdp === undefined ? [] : forUdp),
  ];
}

/** The bits above an IP protocol's number, which has eight bits in IP's header. */
const ABOVE_IP_PROTOCOLS = 0xffffff00;

const forTcp: readonly Restriction[] = [
  // Protocols with higher numbers are Linux's own: IPPROTO_MPTCP and IPPROTO_SMC. Both run over TCP. If they
  // are refused, programs fall back to TCP.
  {
    calls: ["socket"],
    when: [
      { argument: 0, isOneOf: [k.AF_INET, k.AF_INET6] },
      { argument: 2, hasAnyBitOf: ABOVE_IP_PROTOCOLS },
    ],
    errno: "EPROTONOSUPPORT",
  },
  // The upper-layer protocol "smc" turns a TCP socket into an SMC socket. A filter cannot read the name, so
  // the protocol "tls" is refused, too. Programs then encrypt by themselves, as on a host without kernel TLS.
  {
    calls: ["setsockopt"],
    when: [
      { argument: 1, isOneOf: [k.IPPROTO_TCP] },
      { argument: 2, isOneOf: [k.TCP_ULP] },
    ],
    errno: "ENOENT",
  },
  // io_uring creates sockets and sets their options by requests that no filter sees.
  { calls: ["io_uring_setup", "io_uring_enter", "io_uring_register"], errno: "EPERM" },
];

/**
 * TCP Fast Open connects by sending: tcp(7). The error is the same as on a host without this feature, so
 * programs then connect before they send.
 */
const connecting: readonly Restriction[] = [
  {
    calls: ["sendto", "sendmmsg"],
    when: [{ argument: 3, hasAnyBitOf: k.MSG_FASTOPEN }],
    errno: "EOPNOTSUPP",
  },
  { calls: ["sendmsg"], when: [{ argument: 2, hasAnyBitOf: k.MSG_FASTOPEN }], errno: "EOPNOTSUPP" },
];

/**
 * If a socket has no port, listen(2) binds it to a free port. A filter can tell neither whether a socket has
 * a port, nor whether it is a TCP socket. So listen(2) is refused only to tasks that may bind no port at all.
 * Such a task cannot listen on unix sockets, either.
 */
const listening: Restriction = { calls: ["listen"], errno: "EACCES" };

/** SCTP can send over UDP. RxRPC sends over UDP inside the kernel. */
const forUdp: readonly Restriction[] = [
  {
    calls: ["socket"],
    when: [
      { argument: 0, isOneOf: [k.AF_INET, k.AF_INET6] },
      { argument: 2, isOneOf: [k.IPPROTO_SCTP] },
    ],
    errno: "EPROTONOSUPPORT",
  },
  { calls: ["socket"], when: [{ argument: 0, isOneOf: [k.AF_RXRPC] }], errno: "EAFNOSUPPORT" },
];
