/**
 * The system calls that limits on ports and destinations refuse, with every profile, and the verdict on a denial
 * of a port or of such a call. Landlock checks ports only when a TCP or UDP socket gets an address, and the
 * programs for `egress` see only sockets of IPv4 and IPv6, but there are other ways to connect, listen and send.
 * Pure.
 */

import { type Denial, OTHER_MACHINE, refusedCall, type Verdict } from "../denial.ts";
import type { CapabilityName } from "../kernel/capabilities.ts";
import * as k from "../kernel/kernelConstants.ts";
import { portRights } from "../landlock/rights.ts";
import { type PortLimits, type PortOption, portNames, portOptions } from "../network/ports.ts";
import type { Restriction } from "./restriction.ts";

/** Limits on ports and destinations. */
export interface NetworkLimits extends PortLimits {
  /** Undefined for every destination. */
  readonly egress?: readonly string[] | undefined;
}

type LimitOption = PortOption | "egress";

const limitNames: Readonly<Record<LimitOption, string>> = { ...portNames, egress: "egress" };

/** Restrictions with a common reason. */
interface PortRule {
  /** Each of these options, if it is set, causes the restrictions. */
  readonly causes: readonly LimitOption[];
  /** Whether only an empty list causes the restrictions. */
  readonly onlyIfEmpty?: true;
  readonly restrictions: readonly Restriction[];
  /** What is refused, as the words that follow "can use". */
  readonly what: string;
}

/** The bits above an IP protocol's number, which has eight bits in IP's header. */
const ABOVE_IP_PROTOCOLS = 0xffffff00;

const forTcp = ["connectTcp", "bindTcp"] as const;

const rules: readonly PortRule[] = [
  // Protocols with higher numbers are Linux's own: IPPROTO_MPTCP and IPPROTO_SMC. Both run over TCP. If they
  // are refused, programs fall back to TCP.
  {
    causes: forTcp,
    restrictions: [
      {
        calls: ["socket"],
        when: [
          { argument: 0, isOneOf: [k.AF_INET, k.AF_INET6] },
          { argument: 2, hasAnyBitOf: ABOVE_IP_PROTOCOLS },
        ],
        errno: "EPROTONOSUPPORT",
      },
    ],
    what: "Multipath TCP or SMC",
  },
  // The upper-layer protocol "smc" turns a TCP socket into an SMC socket. A filter cannot read the name, so
  // the protocol "tls" is refused, too. Programs then encrypt by themselves, as on a host without kernel TLS.
  {
    causes: forTcp,
    restrictions: [
      {
        calls: ["setsockopt"],
        when: [
          { argument: 1, isOneOf: [k.IPPROTO_TCP] },
          { argument: 2, isOneOf: [k.TCP_ULP] },
        ],
        errno: "ENOENT",
      },
    ],
    what: "upper-layer protocols of TCP, such as the kernel's TLS",
  },
  // io_uring creates sockets and sets their options by requests that no filter sees.
  {
    causes: [...forTcp, "egress"],
    restrictions: [{ calls: ["io_uring_setup", "io_uring_enter", "io_uring_register"], errno: "EPERM" }],
    what: "io_uring",
  },
  // TCP Fast Open connects by sending: tcp(7). The error is the same as on a host without this feature, so
  // programs then connect before they send.
  {
    causes: ["connectTcp"],
    restrictions: [
      {
        calls: ["sendto", "sendmmsg"],
        when: [{ argument: 3, hasAnyBitOf: k.MSG_FASTOPEN }],
        errno: "EOPNOTSUPP",
      },
      { calls: ["sendmsg"], when: [{ argument: 2, hasAnyBitOf: k.MSG_FASTOPEN }], errno: "EOPNOTSUPP" },
    ],
    what: "TCP Fast Open",
  },
  // If a socket has no port, listen(2) binds it to a free port. A filter can tell neither whether a socket
  // has a port, nor whether it is a TCP socket. So listen(2) is refused only to tasks that may bind no port
  // at all. Such a task cannot listen on unix sockets, either.
  {
    causes: ["bindTcp"],
    onlyIfEmpty: true,
    restrictions: [{ calls: ["listen"], errno: "EACCES" }],
    what: "listen, even on a unix socket",
  },
  // SCTP can send over UDP. RxRPC sends over UDP inside the kernel.
  {
    causes: ["connectUdp", "bindUdp"],
    restrictions: [
      {
        calls: ["socket"],
        when: [
          { argument: 0, isOneOf: [k.AF_INET, k.AF_INET6] },
          { argument: 2, isOneOf: [k.IPPROTO_SCTP] },
        ],
        errno: "EPROTONOSUPPORT",
      },
      { calls: ["socket"], when: [{ argument: 0, isOneOf: [k.AF_RXRPC] }], errno: "EAFNOSUPPORT" },
    ],
    what: "SCTP or RxRPC",
  },
  // Packets and the hypervisor's sockets are sent without any program for cgroups. Netlink reaches only the
  // kernel and this host.
  {
    causes: ["egress"],
    restrictions: [
      {
        calls: ["socket"],
        when: [{ argument: 0, isNoneOf: [k.AF_UNIX, k.AF_INET, k.AF_INET6, k.AF_NETLINK] }],
        errno: "EAFNOSUPPORT",
      },
    ],
    what: "sockets other than unix, IPv4, IPv6 and netlink",
  },
];

export function portRestrictions(limits: NetworkLimits): readonly Restriction[] {
  return rules.flatMap((rule) => (causesIn(rule, limits).length > 0 ? rule.restrictions : []));
}

/** The options that cause a rule's restrictions for a task with these limits. */
function causesIn({ causes, onlyIfEmpty }: PortRule, limits: NetworkLimits): LimitOption[] {
  return causes.filter((option) =>
    onlyIfEmpty ? limits[option]?.length === 0 : limits[option] !== undefined,
  );
}

/** The verdict of a task's limits on ports; undefined if they do not refuse what was denied. */
export function portVerdict(
  { blockers: [blocker = ""], object }: Denial,
  limits: NetworkLimits,
  capAdd: CapAdd,
): Verdict | undefined {
  if (blocker.startsWith("net.")) return verdictOnPort(blocker, object, limits, capAdd);
  const call = refusedCall(blocker);
  if (call === undefined) return undefined;
  // A filter, whatever it refuses, kills 32-bit programs.
  const isRefused = ({ restrictions }: PortRule) =>
    blocker === OTHER_MACHINE ||
    restrictions.some(({ calls }) => (calls as readonly string[]).includes(call));
  const refusing = rules.filter((rule) => isRefused(rule) && causesIn(rule, limits).length > 0);
  if (refusing.length === 0) return undefined;
  if (blocker === OTHER_MACHINE) {
    const causes = new Set(refusing.flatMap((rule) => causesIn(rule, limits)));
    return { never: `Only tasks without ${namesOf([...causes])} can run 32-bit programs` };
  }
  return { never: refusing.map((rule) => onlyWithout(rule, limits)).join(". ") };
}

function onlyWithout(rule: PortRule, limits: NetworkLimits): string {
  const names = namesOf(causesIn(rule, limits));
  return rule.onlyIfEmpty
    ? `Only tasks with a port in ${names}, or without ${names}, can ${rule.what}`
    : `Only tasks without ${names} can use ${rule.what}`;
}

function namesOf(options: readonly LimitOption[]): string {
  return options.map((option) => limitNames[option]).join(" and ");
}

/** What decides whether a task may bind low ports. */
export interface CapAdd {
  /** Names of the task's capabilities. */
  readonly capabilities: readonly string[];
  /** The task's option `cap_add`. */
  readonly capAdd: readonly string[];
}

function verdictOnPort(
  blocker: string,
  object: string | null,
  limits: NetworkLimits,
  { capabilities, capAdd }: CapAdd,
): Verdict | undefined {
  const option = portOptions.find((each) => portRights[each] === blocker);
  if (option === undefined || object === null || !/^\d+$/.test(object)) return { never: "" };
  const port = Number(object);
  const ports = limits[option];
  if (ports === undefined || ports.includes(port)) return undefined;
  const list = [...ports, port].sort((a, b) => a - b);
  const name = portNames[option];
  const setting = { option: name, value: list };
  const permission = `${port} in ${name}, if this option is set there`;
  // Landlock refuses a port before the kernel asks for the capability.
  const isLow = option.startsWith("bind") && port > 0 && port < FIRST_FREE_PORT;
  if (!isLow || capabilities.includes(LOW_PORTS)) return { settings: [setting], permission };
  return {
    settings: [setting, { option: "cap_add", value: [...capAdd, LOW_PORTS] }],
    permission: `${permission}, and ${LOW_PORTS} in allow_caps`,
  };
}

/** The capability that binding a port below {@link FIRST_FREE_PORT} takes: ip(7). */
export const LOW_PORTS = "net_bind_service" satisfies CapabilityName;
/** The kernel's default of `net.ipv4.ip_unprivileged_port_start`. */
export const FIRST_FREE_PORT = 1024;
