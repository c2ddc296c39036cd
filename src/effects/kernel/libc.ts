/**
 * Functions of the C library and raw system calls. They take numbers, strings and
 * bytes, return numbers, and fail with a DriverError `KERNEL_CALL_FAILED`.
 */
import { closeSync } from "node:fs";
import { libc } from "./bindings.ts";
import * as k from "./constants.ts";
import { errnoName, kernelError } from "./kernelError.ts";
import {
  descriptorsMessage,
  filterProgram,
  internetAddress,
  messageHeader,
  type OpenHow,
  openHow,
  pollDescriptor,
  type ResourceLimit,
  rlimit64,
  unixAddress,
} from "./structs.ts";

/**
 * landlock_create_ruleset(2).
 * @param attr bytes of a `struct landlock_ruleset_attr`, or null to ask for the version
 * @returns a ruleset's descriptor, close-on-exec; with flags 1 the highest ABI of the kernel
 */
export function landlockCreateRuleset(attr: Uint8Array | null, flags: number): number {
  const { createRuleset } = libc();
  const result = createRuleset(k.SYS_landlock_create_ruleset, attr, BigInt(attr?.byteLength ?? 0), flags);
  return checked(result, "landlock_create_ruleset");
}

/**
 * landlock_add_rule(2).
 * @param attr bytes of the struct that belongs to the rule type
 * @param path that the rule is for; only for the error
 */
export function landlockAddRule(ruleset: number, ruleType: number, attr: Uint8Array, path?: string): void {
  const { addRule } = libc();
  checked(addRule(k.SYS_landlock_add_rule, ruleset, ruleType, attr, 0), "landlock_add_rule", path);
}

/**
 * openat2(2): open with restrictions on how the path may be resolved.
 * @param directory a descriptor, or `AT_FDCWD`
 * @param how flags (`O_CLOEXEC` is added), mode for `O_CREAT`, and `RESOLVE_…` bits
 */
export function openat2(directory: number, path: string, how: OpenHow): number {
  const opened = tryOpenat2(directory, path, how);
  if (typeof opened === "number") return opened;
  throw kernelError("openat2", opened.errno, path);
}

/**
 * Like {@link openat2}, for a path that may be missing. Does not throw, because making an error with a stack
 * is slower than the call.
 */
export function tryOpenat2(
  directory: number,
  path: string,
  how: OpenHow,
): number | { readonly errno: string } {
  const { openat2, errno } = libc();
  const bytes = openHow({ ...how, flags: how.flags | k.O_CLOEXEC });
  const result = openat2(k.SYS_openat2, directory, path, bytes, BigInt(bytes.byteLength));
  return result >= 0 ? result : { errno: errnoName(errno()) };
}

/**
 * A new file system that is mounted nowhere yet: fsopen(2), fsconfig(2), fsmount(2).
 * @param attributes `MOUNT_ATTR_…` of the mount
 * @returns a close-on-exec descriptor of the file system's root, for openat(2) and move_mount(2)
 */
export function newFileSystem(
  type: string,
  options: Readonly<Record<string, string>>,
  attributes: number,
): number {
  const { fsopen, fsconfig, fsmount } = libc();
  const context = checked(fsopen(k.SYS_fsopen, type, k.FSOPEN_CLOEXEC), "fsopen", type);
  try {
    for (const [name, value] of Object.entries(options)) {
      checked(fsconfig(k.SYS_fsconfig, context, k.FSCONFIG_SET_STRING, name, value, 0), "fsconfig", name);
    }
    checked(fsconfig(k.SYS_fsconfig, context, k.FSCONFIG_CMD_CREATE, null, null, 0), "fsconfig", type);
    return checked(fsmount(k.SYS_fsmount, context, k.FSMOUNT_CLOEXEC, attributes), "fsmount", type);
  } finally {
    closeSync(context);
  }
}

/** pipe2(2), close-on-exec. Other flags, such as `O_NONBLOCK`, apply to both ends. */
export function pipe2(flags = 0): { readonly read: number; readonly write: number } {
  const ends = new Int32Array(2);
  checked(libc().pipe2(ends, flags | k.O_CLOEXEC), "pipe2");
  return { read: ends[0] as number, write: ends[1] as number };
}

/** mkfifo(3); the process's umask applies to the mode. */
export function mkfifo(path: string, mode: number): void {
  checked(libc().mkfifo(path, mode), "mkfifo", path);
}

/** memfd_create(2). The name appears in `/proc/<pid>/exe` and similar links. */
export function memfdCreate(name: string, flags: number): number {
  return checked(libc().memfdCreate(name, flags), "memfd_create", name);
}

/** fcntl(2) with `F_ADD_SEALS`: forbids the sealed kinds of changes of a memfd for good. */
export function addSeals(memfd: number, seals: number): void {
  checked(libc().fcntl(memfd, k.F_ADD_SEALS, BigInt(seals)), "fcntl");
}

/** fcntl(2) with `F_SETFL`: sets the status flags (such as `O_NONBLOCK`) of an open file description. */
export function fcntlSetFlags(descriptor: number, flags: number): void {
  checked(libc().fcntl(descriptor, k.F_SETFL, BigInt(flags)), "fcntl");
}

/**
 * poll(2) of one descriptor, without waiting.
 * @param events `POLL…` bits
 * @returns whether one of these events, an error or a hang-up is pending
 */
export function poll(descriptor: number, events: number): boolean {
  const { poll, errno } = libc();
  const polled = pollDescriptor(descriptor, events);
  for (;;) {
    const result = poll(polled, 1n, 0);
    // A signal ends the call, even if it does not wait.
    if (result < 0 && errnoName(errno()) === "EINTR") continue;
    return checked(result, "poll") > 0;
  }
}

/**
 * flock(2) without waiting. The lock belongs to the open file description. The kernel releases it when the
 * last descriptor is closed, or at the end of the process.
 * @returns false if another open file description holds a conflicting lock
 */
export function tryFlock(descriptor: number, kind: "exclusive" | "shared" = "exclusive"): boolean {
  const result = libc().flock(descriptor, (kind === "shared" ? k.LOCK_SH : k.LOCK_EX) | k.LOCK_NB);
  if (result < 0 && errnoName(libc().errno()) === "EAGAIN") return false;
  checked(result, "flock");
  return true;
}

/** setxattr(2): an extended attribute of a file or folder, created or replaced. */
export function setxattr(path: string, name: string, value: string): void {
  const bytes = Buffer.from(value);
  checked(libc().setxattr(path, name, bytes, BigInt(bytes.byteLength), 0), "setxattr", path);
}

/** getxattr(2): at most 255 bytes of text; undefined if there is no such attribute, or no such file. */
export function getxattr(path: string, name: string): string | undefined {
  const bytes = Buffer.alloc(255);
  const length = libc().getxattr(path, name, bytes, BigInt(bytes.byteLength));
  return length < 0 ? undefined : bytes.toString("utf8", 0, length);
}

/** pidfd_open(2): a close-on-exec descriptor that refers to this process even if its pid is reused. */
export function pidfdOpen(pid: number): number {
  return checked(libc().pidfdOpen(k.SYS_pidfd_open, pid, 0), "pidfd_open", `pid ${pid}`);
}

/** pidfd_send_signal(2); `flags` is 0 or, from kernel 6.9 on, a `PIDFD_SIGNAL_…` scope. */
export function pidfdSendSignal(pidfd: number, signal: number, flags: number): void {
  checked(libc().pidfdSendSignal(k.SYS_pidfd_send_signal, pidfd, signal, null, flags), "pidfd_send_signal");
}

/** pidfd_getfd(2): a close-on-exec duplicate of another process's descriptor. */
export function pidfdGetfd(pidfd: number, number: number): number {
  return checked(libc().pidfdGetfd(k.SYS_pidfd_getfd, pidfd, number, 0), "pidfd_getfd");
}

/**
 * ioctl(2).
 * @param argument a number, or bytes whose address is passed
 * @returns the request's result, such as a descriptor
 */
export function ioctl(descriptor: number, request: number, argument: number | Uint8Array): number {
  const pointer = typeof argument === "number" ? BigInt(argument) : argument;
  return checked(libc().ioctl(descriptor, BigInt(request), pointer), "ioctl");
}

/**
 * The process that listens on a socket: `SO_PEERCRED` of unix(7), over a connection that is closed at once.
 * @param path of at most 107 bytes
 */
export function listenerOf(path: string): { readonly pid: number; readonly uid: number } {
  const c = libc();
  const type = k.SOCK_STREAM | k.SOCK_CLOEXEC | k.SOCK_NONBLOCK;
  const socket = checked(c.socket(k.AF_UNIX, type, 0), "socket");
  try {
    const address = unixAddress(path);
    checked(c.connect(socket, address, address.byteLength), "connect", path);
    const credentials = new Uint32Array(3);
    const size = new Uint32Array([credentials.byteLength]);
    checked(c.getsockopt(socket, k.SOL_SOCKET, k.SO_PEERCRED, credentials, size), "getsockopt", path);
    return { pid: credentials[0] as number, uid: credentials[1] as number };
  } finally {
    closeSync(socket);
  }
}

/**
 * bpf(2).
 * @param attr bytes of a `union bpf_attr`
 * @param what the object of the call; only for the error
 * @param expected an errno for which the function returns -1 instead of throwing
 * @returns what the command returns, such as a descriptor
 */
export function bpf(command: number, attr: Uint8Array, what: string, expected?: string): number {
  const number = process.arch === "arm64" ? 280 : 321;
  const result = libc().bpf(number, command, attr, attr.byteLength);
  if (result < 0 && expected !== undefined && errnoName(libc().errno()) === expected) return -1;
  return checked(result, "bpf", what);
}

/** Writes the address of bytes into a struct. Keeps the bytes alive as long as the struct. */
export function writePointer(struct: Buffer, offset: number, bytes: NodeJS.ArrayBufferView): void {
  struct.writeBigUInt64LE(libc().addressOf(bytes), offset);
  pointedTo.set(struct, [...(pointedTo.get(struct) ?? []), bytes]);
}

/**
 * The bytes that each struct points to. An address is no reference: without this map they could be collected
 * before the call.
 */
const pointedTo = new WeakMap<Buffer, readonly NodeJS.ArrayBufferView[]>();

/** unshare(2) of the calling thread. */
export function unshare(flags: number): void {
  checked(libc().unshare(flags), "unshare");
}

/** setns(2) of the calling thread. @param type `CLONE_NEW…`, the kind that the descriptor must be of */
export function setns(namespace: number, type: number): void {
  checked(libc().setns(namespace, type), "setns");
}

/** socket(2), close-on-exec and non-blocking. */
export function socket(domain: number, type: number, protocol = 0): number {
  return checked(libc().socket(domain, type | k.SOCK_CLOEXEC | k.SOCK_NONBLOCK, protocol), "socket");
}

/** bind(2). @param address bytes of a `struct sockaddr_…` */
export function bind(socket: number, address: Uint8Array): void {
  checked(libc().bind(socket, address, address.byteLength), "bind");
}

/** setsockopt(2) of `SOL_SOCKET`. */
export function setSocketOption(socket: number, option: number, value: Uint8Array): void {
  checked(libc().setsockopt(socket, k.SOL_SOCKET, option, value, value.byteLength), "setsockopt");
}

/** setsockopt(2) with `SO_ATTACH_FILTER`. @param program array of `struct sock_filter` */
export function attachFilter(socket: number, program: Uint8Array): void {
  const struct = Buffer.from(filterProgram(program, 0n));
  writePointer(struct, 8, program);
  setSocketOption(socket, k.SO_ATTACH_FILTER, struct);
}

/** getsockopt(2) with `SO_MEMINFO`: how many messages the kernel could not queue for the socket. */
export function droppedMessages(socket: number): number {
  const info = new Uint32Array(16);
  const size = new Uint32Array([info.byteLength]);
  checked(libc().getsockopt(socket, k.SOL_SOCKET, k.SO_MEMINFO, info, size), "getsockopt");
  return info[k.SK_MEMINFO_DROPS] as number;
}

/** send(2) of a whole message. */
export function send(socket: number, message: Uint8Array): void {
  checked(libc().send(socket, message, BigInt(message.byteLength), 0), "send");
}

/**
 * recv(2) of one message from a non-blocking socket. Does not throw: an error with its stack is slower than
 * the call.
 * @returns the message's length; undefined if there is no message
 */
export function tryReceive(
  socket: number,
  buffer: Uint8Array,
): number | undefined | { readonly errno: string } {
  const { recv, errno } = libc();
  const length = recv(socket, buffer, BigInt(buffer.byteLength), 0);
  if (length >= 0) return length;
  const name = errnoName(errno());
  return name === "EAGAIN" ? undefined : { errno: name };
}

/**
 * fcntl(2) with `F_SETOWN`, `F_SETSIG` and `O_ASYNC`: makes the kernel signal this process when something can
 * be read from a non-blocking descriptor. An undefined signal turns that off.
 */
export function setReadSignal(descriptor: number, signal: number | undefined): void {
  const set = (operation: number, value: number) =>
    checked(libc().fcntl(descriptor, operation, BigInt(value)), "fcntl");
  if (signal !== undefined) {
    set(k.F_SETOWN, process.pid);
    set(k.F_SETSIG, signal);
  }
  set(k.F_SETFL, k.O_NONBLOCK | (signal === undefined ? 0 : k.O_ASYNC));
}

/**
 * connect(2) of a non-blocking socket to this host's loopback address. If the listener's queue is full, the
 * connection is still pending when the function returns. A write then waits for it, and a failure is the
 * socket's next error.
 * @throws DriverError `KERNEL_CALL_FAILED` if nobody listens
 */
export function connectToLoopback(socket: number, port: number): void {
  const { connect, errno } = libc();
  const address = internetAddress(loopback, port);
  // On loopback, the kernel knows the result when the first call returns, but only the second call reports
  // it.
  for (const pending of ["EINPROGRESS", "EALREADY"]) {
    if (connect(socket, address, address.byteLength) === 0) return;
    const name = errnoName(errno());
    if (name !== pending) throw kernelError("connect", name, `127.0.0.1:${port}`);
  }
}

const loopback = [127, 0, 0, 1] as const;

/** socketpair(2) of sockets that keep messages apart; both close-on-exec. */
export function socketPair(): readonly [number, number] {
  const ends = new Int32Array(2);
  checked(libc().socketpair(k.AF_UNIX, k.SOCK_SEQPACKET | k.SOCK_CLOEXEC, 0, ends), "socketpair");
  return [ends[0] as number, ends[1] as number];
}

/**
 * Sends a message of one byte with descriptors, of which the receiver gets duplicates: sendmsg(2), unix(7).
 * @throws DriverError `KERNEL_CALL_FAILED`, with `EPIPE` or `ECONNRESET` if nobody can receive it any more
 */
export function sendDescriptors(socket: number, descriptors: readonly number[]): void {
  checked(libc().sendmsg(socket, messageWith(descriptors), k.MSG_NOSIGNAL), "sendmsg");
}

/**
 * Messages by their number of descriptors. They are kept, because they hold addresses of their own parts,
 * which must not be collected.
 */
const messages = new Map<number, Buffer>();

/**
 * One buffer with a `struct msghdr`, its vector, the byte to which the vector points, and the control
 * message.
 */
function messageWith(descriptors: readonly number[]): Buffer {
  const control = descriptorsMessage(descriptors);
  const message = messages.get(descriptors.length) ?? Buffer.alloc(MESSAGE_BYTES + control.length);
  if (!messages.has(descriptors.length)) {
    messages.set(descriptors.length, message);
    const start = libc().addressOf(message);
    const at = (offset: number) => start + BigInt(offset);
    const header = messageHeader(at(VECTOR_AT), at(MESSAGE_BYTES), control.length);
    for (const [index, word] of [...header, at(BYTE_AT), 1].entries())
      message.writeBigUInt64LE(BigInt(word), index * 8);
  }
  message.set(control, MESSAGE_BYTES);
  return message;
}

const VECTOR_AT = 7 * 8;
const BYTE_AT = VECTOR_AT + 2 * 8;
const MESSAGE_BYTES = BYTE_AT + 8;

/**
 * waitpid(2).
 * @returns the raw wait status; undefined with `WNOHANG` while the child still runs
 */
export function waitpid(pid: number, flags: number): number | undefined {
  const status = new Int32Array(1);
  const reaped = checked(libc().waitpid(pid, status, flags), "waitpid", `pid ${pid}`);
  return reaped === 0 ? undefined : status[0];
}

/** prctl(2) with a number as its only argument. */
export function prctl(operation: number, argument: number): void {
  checked(libc().prctl(operation, BigInt(argument), 0n, 0n, 0n), "prctl");
}

/** setrlimit(2): limits of this process. */
export function setrlimit(resource: number, limit: ResourceLimit): void {
  checked(libc().setrlimit(resource, rlimit64(limit)), "setrlimit");
}

/** madvise(2) with `MADV_DONTNEED`: unmaps pages. What a private mapping has changed in them is lost. */
export function madviseDontNeed(address: bigint, bytes: bigint): void {
  checked(libc().madvise(address, bytes, k.MADV_DONTNEED), "madvise");
}

/** malloc_trim(3): returns malloc's unused memory to the kernel. Takes 1 to 2 ms. */
export function mallocTrim(): void {
  libc().mallocTrim(0n);
}

/** For calls that return -1 and set errno. */
export function checked(result: number, call: string, path?: string): number {
  if (result >= 0) return result;
  throw kernelError(call, errnoName(libc().errno()), path);
}
