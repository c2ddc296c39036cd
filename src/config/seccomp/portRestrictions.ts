/**
 * Restrictions of system calls that limits on ports need in addition to Landlock. Landlock checks ports only
 * when a TCP or UDP socket gets an address, but there are other ways to connect, listen and send. Pure.
 */

import * as k from "../../kernelConstants.ts";
import type { PortLimits } from "../values/ports.ts";
import type { Restriction } from "./restriction.ts";

/** The restrictions for these limits; none if the ports are not limited. They apply with every profile. */
export function portRestrictions(limits: PortLimits): readonly Restriction[] {
  const { connectTcp, bindTcp, connectUdp, bindUdp } = limits;
  return [
    ...(connectTcp === undefined && bindTcp === undefined ? [] : forTcp),
    ...(connectTcp === undefined ? [] : connecting),
    ...(bindTcp?.length === 0 ? [listening] : []),
    ...(connectUdp === undefined && bindUdp === undefined ? [] : forUdp),
  ];
}

/** The bits above an IP protocol's number, for which IP's header has eight bits. */
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
 * TCP Fast Open connects by sending: tcp(7). The error is that of a host without this feature, where programs
 * connect first.
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
 * listen(2) gives a socket without a port a free one. A filter can tell neither whether a socket has a port,
 * nor whether it is a TCP socket. So listen(2) is refused only to tasks that may bind no port at all. These
 * cannot listen on unix sockets, either.
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
