/**
 * Encoders for the kernel's structs, little-endian as on every architecture that
 * the driver supports.
 */

import { AF_UNIX, SOL_SOCKET } from "./constants.ts";

/** `struct clone_args` of `linux/sched.h`, third published size: clone3(2) without a stack, like fork(2). */
export function cloneArgs({ flags = 0, parentTid = 0, exitSignal, cgroup = 0 }: CloneArgs): Uint8Array {
  return words(flags, 0, 0, parentTid, exitSignal, 0, 0, 0, 0, 0, cgroup);
}

export interface CloneArgs {
  readonly flags?: number;
  /** Address in the parent to which the kernel writes the child's pid, with `CLONE_PARENT_SETTID`. */
  readonly parentTid?: number;
  /** Signal that the parent gets when the child exits. */
  readonly exitSignal: number;
  /** Descriptor of the cgroup's folder, with `CLONE_INTO_CGROUP`. */
  readonly cgroup?: number;
}

/**
 * `struct mount_attr` of `linux/mount.h`, first published size: mount_setattr(2).
 * @param propagation such as `MS_PRIVATE`; 0 leaves it unchanged
 * @param userNamespace descriptor of the user namespace that `MOUNT_ATTR_IDMAP` takes
 */
export function mountAttr(set: number, propagation = 0, userNamespace = 0): Uint8Array {
  return words(set, 0, propagation, userNamespace);
}

/** `struct open_how` of `linux/openat2.h`: openat2(2). */
export function openHow({ flags, mode = 0, resolve = 0 }: OpenHow): Uint8Array {
  return words(flags, mode, resolve);
}

export interface OpenHow {
  readonly flags: number;
  /** For `O_CREAT`. */
  readonly mode?: number;
  /** `RESOLVE_…` bits. */
  readonly resolve?: number;
}

/** `struct rlimit64` of `linux/resource.h`: prlimit(2). `Infinity` means no limit. */
export function rlimit64({ soft, hard }: ResourceLimit): Uint8Array {
  return bytesOf(
    new BigUint64Array([soft, hard].map((limit) => (limit === Infinity ? NO_LIMIT : BigInt(limit)))),
  );
}

export interface ResourceLimit {
  readonly soft: number;
  readonly hard: number;
}

/** `RLIM64_INFINITY` of `linux/resource.h` */
const NO_LIMIT = 2n ** 64n - 1n;

/** An array of `gid_t`: setgroups(2). */
export function groupList(groups: readonly number[]): Uint8Array {
  return bytesOf(new Uint32Array(groups));
}

/** `struct sockaddr_in` of ip(7): port and address are in network order. */
export function internetAddress(
  address: readonly [number, number, number, number],
  port: number,
): Uint8Array {
  const AF_INET = 2;
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  bytes.set(address, 4);
  return bytes;
}

/** `struct ifreq` of `linux/if.h` with `ifr_flags`: netdevice(7). */
export function interfaceFlags(name: string, flags: number): Uint8Array {
  const bytes = new Uint8Array(40);
  new TextEncoder().encodeInto(name, bytes.subarray(0, 15));
  new DataView(bytes.buffer).setInt16(16, flags, true);
  return bytes;
}

/**
 * `struct __user_cap_header_struct` of `linux/capability.h`, version 3, for the calling thread: capset(2).
 */
export function capabilityHeader(): Uint8Array {
  const LINUX_CAPABILITY_VERSION_3 = 0x20080522;
  return bytesOf(new Uint32Array([LINUX_CAPABILITY_VERSION_3, 0]));
}

/** Two `struct __user_cap_data_struct`: the low and the high halves of the three sets. */
export function capabilityData(sets: CapabilitySets): Uint8Array {
  const { effective, permitted, inheritable } = sets;
  const half = (shift: bigint) =>
    [effective, permitted, inheritable].map((set) => Number((set >> shift) & 0xffffffffn));
  return bytesOf(new Uint32Array([...half(0n), ...half(32n)]));
}

/** In each set, bit n is capability number n. */
export interface CapabilitySets {
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
}

/** `struct winsize` of `asm-generic/termios.h`, without pixels: ioctl_tty(2). */
export function windowSize(rows: number, columns: number): Uint8Array {
  return new Uint8Array(new Uint16Array([rows, columns, 0, 0]).buffer);
}

/** `struct sockaddr_un` of `sys/un.h`: unix(7). @param path of at most 107 bytes */
export function unixAddress(path: string): Uint8Array {
  const bytes = new Uint8Array(110);
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  new TextEncoder().encodeInto(path, bytes.subarray(2, 109));
  return bytes;
}

/** `struct timespec`: timespec(3type). */
export function timespec(seconds: number, nanoseconds = 0): Uint8Array {
  return words(seconds, nanoseconds);
}

/** `struct pollfd` of `poll.h`: poll(2). */
export function pollDescriptor(descriptor: number, events: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, descriptor, true);
  view.setInt16(4, events, true);
  return bytes;
}

/** Size of a control message with descriptors, with its padding: `CMSG_SPACE` of cmsg(3). */
export function controlMessageBytes(descriptors: number): number {
  return CONTROL_HEADER_BYTES + Math.ceil(descriptors / 2) * 8;
}

/** The words of a `struct msghdr` without an address, with one vector: sendmsg(2). */
export function messageHeader<Address extends number | bigint>(
  vector: Address,
  control: Address,
  controlBytes: number,
): (Address | number)[] {
  return [0, 0, vector, 1, control, controlBytes, 0];
}

/** `struct cmsghdr` with descriptors, `SCM_RIGHTS` of unix(7). */
export function descriptorsMessage(descriptors: readonly number[]): Uint8Array {
  const SCM_RIGHTS = 1;
  const bytes = new Uint8Array(controlMessageBytes(descriptors.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, CONTROL_HEADER_BYTES + descriptors.length * 4, true);
  view.setInt32(8, SOL_SOCKET, true);
  view.setInt32(12, SCM_RIGHTS, true);
  for (const [index, each] of descriptors.entries())
    view.setInt32(CONTROL_HEADER_BYTES + index * 4, each, true);
  return bytes;
}

const CONTROL_HEADER_BYTES = 16;

/** `struct sigaction` of the kernel with the default action: rt_sigaction(2). Its mask is empty. */
export function defaultAction(flags: number): Uint8Array {
  return words(0, flags, 0, 0);
}

/** Layout of `struct pidfd_info` of `linux/pidfd.h`, first published size: `mask` is at its beginning. */
export const pidfdInfo = { bytes: 64, maskBytes: 8, exitCodeAt: 60 } as const;

/**
 * Words of eight bytes, from safe integers that are not negative. Avoids BigInt, because each start makes
 * some forty structs.
 */
function words(...values: readonly number[]): Uint8Array {
  const halves = new Uint32Array(values.length * 2);
  for (const [index, value] of values.entries()) {
    halves[index * 2] = value;
    halves[index * 2 + 1] = value / 2 ** 32;
  }
  return bytesOf(halves);
}

function bytesOf(view: BigUint64Array | Uint32Array): Uint8Array {
  return new Uint8Array(view.buffer);
}

/**
 * `struct sock_fprog` of `linux/filter.h`.
 * @param address of the program, an array of `struct sock_filter`
 */
export function filterProgram({ byteLength }: Uint8Array, address: bigint): Uint8Array {
  const struct = new DataView(new ArrayBuffer(16));
  struct.setUint16(0, byteLength / 8, true);
  struct.setBigUint64(8, address, true);
  return new Uint8Array(struct.buffer);
}

/**
 * `struct sockaddr_nl` of `linux/netlink.h`.
 * @param groups bit mask of the multicast groups to join; the lowest bit is group 1
 */
export function netlinkAddress(family: number, groups: number): Uint8Array {
  const address = new DataView(new ArrayBuffer(12));
  address.setUint16(0, family, true);
  address.setUint32(8, groups, true);
  return new Uint8Array(address.buffer);
}

/**
 * `struct landlock_ruleset_attr` of `linux/landlock.h`. Kernels that know fewer members require the other
 * members to be zero.
 * @param handledAccessFs rights on files that are refused unless a rule allows them
 * @param handledAccessNet rights on ports that are refused unless a rule allows them
 */
export function rulesetAttr(handledAccessFs: number, handledAccessNet: number, scoped: number): Uint8Array {
  const words = new BigUint64Array([handledAccessFs, handledAccessNet, scoped].map(BigInt));
  return new Uint8Array(words.buffer);
}

/**
 * `struct landlock_path_beneath_attr`, which is packed: 8 bytes `allowed_access`,
 * then 4 bytes `parent_fd`.
 * @param descriptor of the rule's file or folder, opened with `O_PATH`
 */
export function pathBeneathAttr(allowedAccess: number, descriptor: number): Uint8Array {
  const attr = new DataView(new ArrayBuffer(12));
  attr.setUint32(0, allowedAccess, true);
  attr.setInt32(8, descriptor, true);
  return new Uint8Array(attr.buffer);
}

/** `struct landlock_net_port_attr`. */
export function netPortAttr(allowedAccess: number, port: number): Uint8Array {
  return new Uint8Array(new BigUint64Array([BigInt(allowedAccess), BigInt(port)]).buffer);
}
