/**
 * Sockets of the kernel's audit system: netlink(7), `linux/audit.h`. One kind of socket queries and sets the
 * state of audit. The other kind gets all records by multicast, whether or not an audit daemon runs.
 */
import { closeSync, readlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { DriverError, hasErrno } from "../../base/errors.ts";
import { assemble, type Line } from "../kernel/assembler.ts";
import * as k from "../kernel/constants.ts";
import { errnoName, kernelError } from "../kernel/kernelError.ts";
import { attachFilter, bind, send, setSocketNumber, socket, tryReceive } from "../kernel/sockets.ts";
import { netlinkAddress } from "../kernel/structs.ts";

/** The part of `struct audit_status` that the driver uses. */
export interface AuditStatus {
  /** 2: locked, so nobody can change it until the next boot. */
  readonly enabled: number;
  /** Pid of the audit daemon; 0 if there is none. */
  readonly daemon: number;
  /** Maximum number of records that wait for the kernel's thread. Further records are lost. */
  readonly backlogLimit: number;
  /** Records that the kernel has lost since the boot. */
  readonly lost: number;
  readonly backlog: number;
}

/** Bytes of `struct nlmsghdr`. */
export const HEADER_BYTES = 16;

/** Size of a buffer for a message. Audit records are shorter: `MAX_AUDIT_MESSAGE_LENGTH`. */
export const MESSAGE_BYTES = 9_000;

/** Milliseconds to wait for an answer, which a thread of the kernel sends. */
const answerMs = 2_000;

/**
 * Explains why this process cannot use the kernel's audit.
 * @returns the reason, without a capital letter or a full stop
 */
export function auditProblem(thrown: unknown): string {
  if (hasErrno(thrown, "EPROTONOSUPPORT")) return "the kernel has no audit, or was booted with audit=0";
  if (hasErrno(thrown, "ECONNREFUSED"))
    return "the driver is in a user namespace, where audit cannot be read";
  if (hasErrno(thrown, "EPERM")) {
    return "the driver may not use the kernel's audit: it needs CAP_AUDIT_READ and CAP_AUDIT_CONTROL, and the host's pid namespace";
  }
  return `the kernel's audit cannot be used (${thrown instanceof DriverError ? thrown.message : String(thrown)})`;
}

/**
 * Whether this process is in the network namespace of the host's init. The kernel sends records only there.
 * Also true if this process may not read the namespaces.
 */
export function isInHostNetwork(): boolean {
  try {
    return readlinkSync("/proc/self/ns/net") === readlinkSync("/proc/1/ns/net");
  } catch {
    return true;
  }
}

/**
 * The state of the kernel's audit.
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export async function auditStatus(): Promise<AuditStatus> {
  const answer = await ask(k.AUDIT_GET, new Uint8Array(0), k.AUDIT_GET);
  const word = (index: number) => answer.getUint32(HEADER_BYTES + 4 * index, true);
  return { enabled: word(1), daemon: word(3), backlogLimit: word(5), lost: word(6), backlog: word(7) };
}

/**
 * Turns audit on or off for the host, and sets how many of its records may wait. What is undefined stays.
 * @throws DriverError `KERNEL_CALL_FAILED`, with EPERM if audit is locked
 */
export async function setAudit(
  set: Partial<Pick<AuditStatus, "backlogLimit">> & { readonly enabled?: boolean },
): Promise<void> {
  const status = new Uint32Array(10);
  status[0] =
    (set.enabled === undefined ? 0 : k.AUDIT_STATUS_ENABLED) |
    (set.backlogLimit === undefined ? 0 : k.AUDIT_STATUS_BACKLOG_LIMIT);
  status[1] = set.enabled ? 1 : 0;
  status[5] = set.backlogLimit ?? 0;
  await ask(k.AUDIT_SET, new Uint8Array(status.buffer), k.NLMSG_ERROR);
}

/** Sends a request, and waits for the message that answers it. */
async function ask(type: number, data: Uint8Array, answer: number): Promise<DataView> {
  const request = new Uint8Array(HEADER_BYTES + data.byteLength);
  const header = new DataView(request.buffer);
  header.setUint32(0, request.byteLength, true);
  header.setUint16(4, type, true);
  header.setUint16(6, k.NLM_F_REQUEST | (answer === k.NLMSG_ERROR ? k.NLM_F_ACK : 0), true);
  request.set(data, HEADER_BYTES);
  const descriptor = socket(k.AF_NETLINK, k.SOCK_RAW, k.NETLINK_AUDIT);
  try {
    send(descriptor, request);
    const buffer = new Uint8Array(MESSAGE_BYTES);
    const view = new DataView(buffer.buffer);
    for (const until = performance.now() + answerMs; performance.now() < until; await delay(1)) {
      const length = tryReceive(descriptor, buffer);
      if (typeof length === "object") throw kernelError("recv", length.errno, "audit");
      if (length === undefined) continue;
      const found = view.getUint16(4, true);
      const error = found === k.NLMSG_ERROR ? -view.getInt32(HEADER_BYTES, true) : 0;
      if (error !== 0) throw kernelError("send", errnoName(error), "audit");
      if (found === answer) return view;
    }
    throw kernelError("recv", "ETIMEDOUT", "audit");
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Opens a socket for one kind of records. `denials`: Landlock's denials, failed system calls, and filtered
 * system calls. `domains`: the Landlock domains that denied something, and changes of audit's configuration.
 * A filter in the kernel drops all other records. So no arguments of programs (`AUDIT_EXECVE`,
 * `AUDIT_PROCTITLE`) reach this process, and a busy audit does not wake it.
 * @param bytes maximum size of the records that wait to be read
 * @throws DriverError `KERNEL_CALL_FAILED`, with EPERM if this process lacks CAP_AUDIT_READ
 */
export function openRecords(kind: keyof typeof filters, bytes: number): number {
  const descriptor = socket(k.AF_NETLINK, k.SOCK_RAW, k.NETLINK_AUDIT);
  try {
    attachFilter(descriptor, assemble(filters[kind]));
    setSocketNumber(descriptor, k.SO_RCVBUFFORCE, bytes);
    bind(descriptor, netlinkAddress(k.AF_NETLINK, 1 << (k.AUDIT_NLGRP_READLOG - 1)));
    return descriptor;
  } catch (thrown) {
    closeSync(descriptor);
    throw thrown;
  }
}

/**
 * A message's type as a filter loads it: together with the flags, which are 0 in records. A filter loads
 * bytes in network order, but netlink's numbers are in the machine's order.
 */
function loaded(type: number): number {
  return (((type & 0xff) << 24) | ((type >> 8) << 16)) >>> 0;
}

/**
 * Possible offsets of `s=no`, the end of `success=no`, in the record of a system call. Before this text there
 * are two numbers of variable length: the event's serial number and the call's number. The filter keeps only
 * failed calls, because most calls on a busy host succeed.
 */
const successPlaces = Array.from({ length: 12 }, (_, index) => 71 + index);

function keepTypes(...types: readonly number[]): Line[] {
  return [
    { kind: "load", offset: 4 },
    ...types.map((type): Line => ({ kind: "jump", compare: "equal", value: loaded(type), ifTrue: "keep" })),
  ];
}

const ending: readonly Line[] = [
  { kind: "label", label: "drop" },
  { kind: "return", value: 0 },
  { kind: "label", label: "keep" },
  { kind: "return", value: MESSAGE_BYTES },
];

const filters = {
  denials: [
    ...keepTypes(k.AUDIT_LANDLOCK_ACCESS, k.AUDIT_SECCOMP),
    { kind: "jump", compare: "equal", value: loaded(k.AUDIT_SYSCALL), ifFalse: "drop" },
    ...successPlaces.flatMap((offset): Line[] => [
      { kind: "load", offset },
      { kind: "jump", compare: "equal", value: Buffer.from("s=no").readUInt32BE(), ifTrue: "keep" },
    ]),
    ...ending,
  ],
  domains: [...keepTypes(k.AUDIT_LANDLOCK_DOMAIN, k.AUDIT_CONFIG_CHANGE), ...ending],
} as const satisfies Readonly<Record<string, readonly Line[]>>;
