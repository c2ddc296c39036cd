/**
 * The connections of a task's sockets, and ending them from outside: sock_diag(7), `linux/inet_diag.h`. The programs
 * of `egress` check a connection when it is made; what exists when a list becomes shorter goes on until this ends it.
 */
import { closeSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DriverError } from "../../base/errors.ts";
import * as k from "../kernel/constants.ts";
import { errnoName, kernelError } from "../kernel/kernelError.ts";
import { send, socket, tryReceive } from "../kernel/sockets.ts";
import { formatAddress, withoutMapping } from "../network/addresses.ts";
import { inNetworkOf } from "../network/networkNamespace.ts";
import type { EgressProtocol } from "./egress.ts";
import { ipProtocols } from "./egressEntries.ts";

export interface TaskConnection {
  readonly protocol: EgressProtocol;
  /** The other end; an IPv4 address that an IPv6 socket uses is given as what it is. */
  readonly address: string;
  readonly port: number;
  /** Whether a socket listens on its own port, by TCP, so that others have made the connection. */
  readonly cameIn: boolean;
  /** The socket's family, and `struct inet_diag_sockid`: by both the kernel knows it. */
  readonly family: number;
  readonly id: Uint8Array;
}

/** What is known of the sockets of one network namespace. */
export interface TaskConnections {
  readonly connections: readonly TaskConnection[];
  /** Protocols whose sockets the kernel does not list, or not by cgroup, each with the reason. */
  readonly unlisted: readonly { readonly protocol: EgressProtocol; readonly reason: string }[];
}

/** Numbers of `linux/sock_diag.h` and `linux/inet_diag.h`. */
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;
const INET_DIAG_CGROUP_ID = 21;

/** `struct nlmsghdr`, `struct inet_diag_req_v2`, `struct inet_diag_msg` and `struct inet_diag_sockid` in it. */
const headerBytes = 16;
const requestLayout = { family: 0, protocol: 1, states: 4, id: 8, bytes: 56 } as const;
const messageLayout = { state: 1, id: 4, bytes: 72 } as const;
const idLayout = { port: 0, peerPort: 2, peer: 20, bytes: 48 } as const;

/** Of `net/tcp_states.h`; those of connected UDP sockets are `ESTABLISHED`. */
const states = { ESTABLISHED: 1, TIME_WAIT: 6, CLOSE: 7, LISTEN: 10 } as const;
const dumped = 0xfff & ~(1 << states.TIME_WAIT) & ~(1 << states.CLOSE);

const bufferBytes = 65_536;

export class TaskSockets implements Disposable {
  readonly #descriptor: number;
  readonly #cgroup: string;

  /**
   * @param process a pidfd of a process in the task's network namespace
   * @param cgroup path of the task's cgroup, with those below it
   * @throws DriverError `KERNEL_CALL_FAILED`
   */
  constructor(process: number, cgroup: string) {
    this.#cgroup = cgroup;
    this.#descriptor = inNetworkOf(process, () => socket(k.AF_NETLINK, k.SOCK_RAW, k.NETLINK_SOCK_DIAG));
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  /** The task's sockets that have another end. Takes as long as the network namespace has sockets. */
  connections(): TaskConnections {
    const cgroups = cgroupsBelow(this.#cgroup);
    const connections: TaskConnection[] = [];
    const unlisted: { protocol: EgressProtocol; reason: string }[] = [];
    for (const protocol of ["tcp", "udp"] as const) {
      try {
        const sockets = [k.AF_INET, k.AF_INET6].flatMap((family) => this.#list(family, protocol));
        // Other states may be of what the kernel keeps of a connection without its socket, which has no cgroup.
        const whole: readonly number[] = [states.ESTABLISHED, states.LISTEN];
        if (sockets.some(({ state, cgroup }) => cgroup === undefined && whole.includes(state)))
          throw new DriverError("UNSUPPORTED", "the kernel does not say whose cgroup a socket is of");
        const listening = new Set(
          sockets.flatMap(({ state, ownPort }) => (state === states.LISTEN ? [ownPort] : [])),
        );
        for (const { state, cgroup, ownPort, peer, ...others } of sockets) {
          if (state === states.LISTEN || others.port === 0 || !cgroups.has(cgroup ?? 0n)) continue;
          const cameIn = listening.has(ownPort);
          connections.push({ protocol, address: peer, cameIn, ...others });
        }
      } catch (thrown) {
        unlisted.push({ protocol, reason: reasonOf(thrown) });
      }
    }
    return { connections, unlisted };
  }

  /**
   * Ends a connection: its program gets ECONNABORTED, and by TCP the other end a reset.
   * @returns why it goes on; undefined if it is over
   */
  end({ protocol, family, id }: Pick<TaskConnection, "protocol" | "family" | "id">): string | undefined {
    const request = Buffer.alloc(requestLayout.bytes);
    request.set(id, requestLayout.id);
    request.writeUInt8(family, requestLayout.family);
    request.writeUInt8(ipProtocols[protocol], requestLayout.protocol);
    request.writeUInt32LE(0xffffffff, requestLayout.states);
    try {
      for (const _ of this.#ask(SOCK_DESTROY, k.NLM_F_ACK, request));
      return undefined;
    } catch (thrown) {
      const reason = reasonOf(thrown);
      return reason.includes("ENOENT") ? undefined : reason;
    }
  }

  #list(family: number, protocol: EgressProtocol) {
    const request = Buffer.alloc(requestLayout.bytes);
    request.writeUInt8(family, requestLayout.family);
    request.writeUInt8(ipProtocols[protocol], requestLayout.protocol);
    request.writeUInt32LE(dumped, requestLayout.states);
    return Array.from(this.#ask(SOCK_DIAG_BY_FAMILY, k.NLM_F_DUMP, request), (message) => {
      const id = message.subarray(messageLayout.id, messageLayout.id + idLayout.bytes);
      const peer = id.subarray(idLayout.peer, idLayout.peer + (family === k.AF_INET6 ? 16 : 4));
      return {
        state: message.readUInt8(messageLayout.state),
        cgroup: attributeOf(message, INET_DIAG_CGROUP_ID)?.readBigUInt64LE(),
        ownPort: id.readUInt16BE(idLayout.port),
        port: id.readUInt16BE(idLayout.peerPort),
        peer: formatAddress(withoutMapping(peer)),
        ...{ family, id },
      };
    });
  }

  /** @returns the answers to a request, each without its header */
  *#ask(type: number, flags: number, request: Buffer): Generator<Buffer> {
    const call = type === SOCK_DESTROY ? "SOCK_DESTROY" : "SOCK_DIAG_BY_FAMILY";
    const header = Buffer.alloc(headerBytes);
    header.writeUInt32LE(headerBytes + request.length, 0);
    header.writeUInt16LE(type, 4);
    header.writeUInt16LE(k.NLM_F_REQUEST | flags, 6);
    send(this.#descriptor, Buffer.concat([header, request]));
    const buffer = Buffer.alloc(bufferBytes);
    for (;;) {
      // The kernel answers within the calls.
      const length = tryReceive(this.#descriptor, buffer);
      if (typeof length !== "number") throw kernelError(call, length?.errno ?? "EAGAIN");
      for (let at = 0; at + headerBytes <= length; ) {
        const size = buffer.readUInt32LE(at);
        const found = buffer.readUInt16LE(at + 4);
        const error =
          found === k.NLMSG_ERROR || found === k.NLMSG_DONE ? buffer.readInt32LE(at + headerBytes) : 0;
        if (error < 0) throw kernelError(call, errnoName(-error));
        if (found === k.NLMSG_DONE || found === k.NLMSG_ERROR) return;
        yield Buffer.from(buffer.subarray(at + headerBytes, at + size));
        at += Math.max(headerBytes, (size + 3) & ~3);
      }
    }
  }
}

function attributeOf(message: Buffer, type: number): Buffer | undefined {
  for (let at = messageLayout.bytes; at + 4 <= message.length; ) {
    const size = message.readUInt16LE(at);
    if (message.readUInt16LE(at + 2) === type) return message.subarray(at + 4, at + size);
    at += Math.max(4, (size + 3) & ~3);
  }
  return undefined;
}

/** The ids of a cgroup and of those below it, which its commands have. */
function cgroupsBelow(cgroup: string): Set<bigint> {
  const ids = new Set([statSync(cgroup, { bigint: true }).ino]);
  for (const entry of readdirSync(cgroup, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    for (const id of cgroupsBelow(join(cgroup, entry.name))) ids.add(id);
  }
  return ids;
}

function reasonOf(thrown: unknown): string {
  const errno = thrown instanceof DriverError ? thrown.failed?.errno : undefined;
  if (errno === "EOPNOTSUPP") return "the kernel ends no connections (CONFIG_INET_DIAG_DESTROY, EOPNOTSUPP)";
  if (errno === "EPERM") return "this process may not end connections there (CAP_NET_ADMIN, EPERM)";
  return thrown instanceof Error ? thrown.message : String(thrown);
}
