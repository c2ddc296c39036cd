/** What the programs of egressPrograms.ts tell about a refused connection or socket. Pure. */
import { formatAddress } from "../network/addresses.ts";
import { ipProtocols } from "./egressEntries.ts";

/** Offsets in a refusal. */
export const refusalLayout = {
  cgroup: 0,
  /** In ns of CLOCK_MONOTONIC. */
  time: 8,
  /** How many refusals the task has had, with this one, and how many of them were told before it. */
  refused: 16,
  told: 24,
  /** In the host's pid namespace. */
  pid: 32,
  /** In network order. Of a socket, its protocol in the machine's order. */
  port: 36,
  /** IP protocol. Of a socket, its type. */
  protocol: 38,
  marks: 39,
  address: 40,
  program: 56,
  programBytes: 16,
  bytes: 72,
} as const;

/** Bits of `refusalLayout.marks`: an entry denies the address; a socket was refused; the address is IPv6. */
export const refusalMarks = { denied: 1, socket: 2, ipv6: 4 } as const;

/** A refused connection, or a refused socket of a kind whose destinations cannot be checked. */
export interface EgressRefusal {
  readonly kind: "connection" | "socket";
  /** `tcp` or `udp`; of a socket `raw`, or the name or number of its protocol. */
  readonly protocol: string;
  /** As text, an IPv4 address as such. Null for a socket. */
  readonly address: string | null;
  /** Null for a socket. */
  readonly port: number | null;
  /** Whether an entry denies it; otherwise no entry allows it. */
  readonly isDenied: boolean;
  /** In the host's pid namespace. */
  readonly pid: number;
  /** The name of the process's thread, up to 15 bytes. */
  readonly program: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** How many refusals of the task since the last one that was told were only counted. */
  readonly untold: number;
}

/** A refusal, with what is needed to count those that were not told. */
export interface ToldRefusal {
  readonly cgroup: bigint;
  /** Refusals of the task so far that were not told. */
  readonly untoldSoFar: number;
  readonly refusal: Omit<EgressRefusal, "untold">;
}

/** @param bootMs the time at which CLOCK_MONOTONIC was 0, in milliseconds since 1970 */
export function readRefusal(bytes: Buffer, bootMs: number): ToldRefusal {
  const marks = bytes.readUInt8(refusalLayout.marks);
  const name = bytes.subarray(refusalLayout.program, refusalLayout.program + refusalLayout.programBytes);
  const end = name.indexOf(0);
  const untold =
    bytes.readBigUInt64LE(refusalLayout.refused) - bytes.readBigUInt64LE(refusalLayout.told) - 1n;
  return {
    cgroup: bytes.readBigUInt64LE(refusalLayout.cgroup),
    untoldSoFar: Math.max(0, Number(untold)),
    refusal: {
      ...((marks & refusalMarks.socket) === 0 ? destinationOf(bytes, marks) : socketOf(bytes)),
      isDenied: (marks & refusalMarks.denied) !== 0,
      pid: bytes.readUInt32LE(refusalLayout.pid),
      program: name.toString("utf8", 0, end < 0 ? name.length : end),
      timeMs: Math.round(bootMs + Number(bytes.readBigUInt64LE(refusalLayout.time)) / 1e6),
    },
  };
}

type Refused = Pick<EgressRefusal, "kind" | "protocol" | "address" | "port">;

function destinationOf(bytes: Buffer, marks: number): Refused {
  const at = refusalLayout.address + ((marks & refusalMarks.ipv6) === 0 ? 12 : 0);
  return {
    kind: "connection",
    protocol: protocolName(bytes.readUInt8(refusalLayout.protocol)),
    address: formatAddress(bytes.subarray(at, refusalLayout.address + 16)),
    port: bytes.readUInt16BE(refusalLayout.port),
  };
}

const SOCK_RAW = 3;

function socketOf(bytes: Buffer): Refused {
  const isRaw = bytes.readUInt8(refusalLayout.protocol) === SOCK_RAW;
  const protocol = isRaw ? "raw" : protocolName(bytes.readUInt16LE(refusalLayout.port));
  return { kind: "socket", protocol, address: null, port: null };
}

const protocolNames: Readonly<Record<number, string>> = {
  1: "icmp",
  [ipProtocols.tcp]: "tcp",
  [ipProtocols.udp]: "udp",
  33: "dccp",
  58: "icmpv6",
  132: "sctp",
  136: "udplite",
};

function protocolName(number: number): string {
  return protocolNames[number] ?? String(number);
}
