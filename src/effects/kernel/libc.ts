/**
 * Functions of the C library and raw system calls. A failed call throws a
 * DriverError `KERNEL_CALL_FAILED`, unless the function's comment says otherwise.
 */
import { closeSync } from "node:fs";
import { libc } from "./bindings.ts";
import * as k from "./constants.ts";
import { errnoName, kernelError } from "./kernelError.ts";
import {
  capabilityHeader,
  type OpenHow,
  openHow,
  pollDescriptor,
  type ResourceLimit,
  rlimit64,
} from "./structs.ts";

/**
 * landlock_create_ruleset(2).
 * @param attr bytes of a `struct landlock_ruleset_attr`, or null to ask for the version
 * @returns a ruleset's descriptor, close-on-exec; with flags 1 the highest ABI of the kernel
 */
export function landlockCreateRuleset(attr: Uint8Array | null, flags: number): number {
  const { createRuleset } = libc();
  const result = createRuleset(k.SYS_landlock_create_ruleset, attr, attr?.byteLength ?? 0, flags);
  return checked(result, "landlock_create_ruleset");
}

/**
 * landlock_add_rule(2).
 * @param attr bytes of the struct that belongs to the rule type
 * @param path path of the rule; only for the error
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
  const result = openat2(k.SYS_openat2, directory, path, bytes, bytes.byteLength);
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

/**
 * open_tree(2): a copy of the mount at a descriptor's file, with all mounts below it, that is mounted nowhere.
 * @returns a close-on-exec descriptor of the copy, which ends with it unless it is mounted by then
 */
export function copyTree(descriptor: number, path: string): number {
  const how = k.OPEN_TREE_CLONE + k.OPEN_TREE_CLOEXEC + k.AT_RECURSIVE + k.AT_EMPTY_PATH;
  return checked(libc().openTree(k.SYS_open_tree, descriptor, "", how), "open_tree", path);
}

/**
 * mount_setattr(2) on all mounts of a tree.
 * @param attr bytes of a `struct mount_attr`
 * @returns the error's symbolic name; undefined if the call succeeds
 */
export function trySetAttributes(tree: number, attr: Uint8Array): string | undefined {
  const { mountSetattr, errno } = libc();
  const how = k.AT_EMPTY_PATH + k.AT_RECURSIVE;
  const result = mountSetattr(k.SYS_mount_setattr, tree, "", how, attr, attr.byteLength);
  return result < 0 ? errnoName(errno()) : undefined;
}

/** pipe2(2), close-on-exec. */
export function pipe2(): { readonly read: number; readonly write: number } {
  const ends = new Int32Array(2);
  checked(libc().pipe2(ends, k.O_CLOEXEC), "pipe2");
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

/** fcntl(2) with `F_ADD_SEALS`: permanently forbids these kinds of changes to a memfd. */
export function addSeals(memfd: number, seals: number): void {
  checked(libc().fcntl(memfd, k.F_ADD_SEALS, seals), "fcntl");
}

/** fcntl(2) with `F_SETFL`: sets the status flags (such as `O_NONBLOCK`) of an open file description. */
export function fcntlSetFlags(descriptor: number, flags: number): void {
  checked(libc().fcntl(descriptor, k.F_SETFL, flags), "fcntl");
}

/** How much a pipe holds at the moment, and at most, in bytes. */
export function pipeFill(pipe: number): { readonly bytes: number; readonly size: number } {
  const bytes = new Uint8Array(4);
  ioctl(pipe, k.FIONREAD, bytes);
  return {
    bytes: new DataView(bytes.buffer).getInt32(0, true),
    size: checked(libc().fcntl(pipe, k.F_GETPIPE_SZ, 0), "fcntl"),
  };
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
    const result = poll(polled, 1, 0);
    // A signal can interrupt the call, even though the call does not wait.
    if (result < 0 && errnoName(errno()) === "EINTR") continue;
    return checked(result, "poll") > 0;
  }
}

/**
 * lseek(2) to data or to a hole.
 * @param whence `SEEK_DATA` or `SEEK_HOLE`
 * @returns the offset; undefined if there is none, or the file system cannot tell
 */
export function seek(descriptor: number, offset: number, whence: number): number | undefined {
  const found = Number(libc().lseek(descriptor, offset, whence));
  return found < 0 ? undefined : found;
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

/**
 * _exit(2): ends this process at once. Node's own exit waits for the threads that read files, and a read of a
 * device may never end. Output that was not flushed is lost.
 */
export function exitNow(code: number): never {
  libc().exit(code);
  throw new Error("_exit(2) does not return");
}

/** setxattr(2): an extended attribute of a file or folder, created or replaced. */
export function setxattr(path: string, name: string, value: string): void {
  const bytes = Buffer.from(value);
  checked(libc().setxattr(path, name, bytes, bytes.byteLength, 0), "setxattr", path);
}

/** getxattr(2): the attribute as text; undefined if the call fails, such as for a missing attribute. */
export function getxattr(path: string, name: string): string | undefined {
  const bytes = Buffer.allocUnsafe(maxAttributeBytes);
  const length = libc().getxattr(path, name, bytes, bytes.byteLength);
  return length < 0 ? undefined : bytes.toString("utf8", 0, length);
}

/** XATTR_SIZE_MAX: the kernel keeps no larger attribute. */
const maxAttributeBytes = 65_536;

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
  return checked(libc().ioctl(descriptor, request, argument), "ioctl");
}

/**
 * ioctl(2) with bytes, on whose result the caller decides.
 * @returns the errno's name if the call fails
 */
export function tryIoctl(descriptor: number, request: number, bytes: Uint8Array): string | undefined {
  const { ioctl, errno } = libc();
  return ioctl(descriptor, request, bytes) < 0 ? errnoName(errno()) : undefined;
}

/**
 * quotactl_fd(2).
 * @param descriptor any file of the file system; not one that was opened with O_PATH
 * @param command `QCMD`: what to do, and for which type of quota
 * @param data bytes of the struct that belongs to the command
 * @returns the errno's name if the call fails
 */
export function tryQuotactl(
  descriptor: number,
  command: number,
  id: number,
  data: Uint8Array,
): string | undefined {
  const { quotactlFd, errno } = libc();
  return quotactlFd(k.SYS_quotactl_fd, descriptor, command, id, data) < 0 ? errnoName(errno()) : undefined;
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
 * The bytes that each struct points to. The garbage collector ignores addresses: without this map, it could
 * free the bytes before the call.
 */
const pointedTo = new WeakMap<Buffer, readonly NodeJS.ArrayBufferView[]>();

/**
 * setgroups(2) of the calling thread alone: the C library's function would change all threads.
 * @param groups as `groupList` makes them
 */
export function setThreadGroups(groups: Uint8Array): void {
  const number = process.arch === "arm64" ? 159 : 116;
  checked(libc().setgroups(number, groups.byteLength / 4, groups), "setgroups");
}

/** capset(2) of the calling thread. @param data as `capabilityData` makes it */
export function setThreadCapabilities(data: Uint8Array): void {
  checked(libc().capset(capabilityHeader(), data), "capset");
}

/** unshare(2) of the calling thread. */
export function unshare(flags: number): void {
  checked(libc().unshare(flags), "unshare");
}

/** setns(2) of the calling thread. @param type `CLONE_NEW…`, the kind of namespace that is expected */
export function setns(namespace: number, type: number): void {
  checked(libc().setns(namespace, type), "setns");
}

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
  checked(libc().prctl(operation, argument, 0, 0, 0), "prctl");
}

/** setrlimit(2): limits of this process. */
export function setrlimit(resource: number, limit: ResourceLimit): void {
  checked(libc().setrlimit(resource, rlimit64(limit)), "setrlimit");
}

/** madvise(2) with `MADV_DONTNEED`: drops pages from memory. Changes in a private mapping are lost. */
export function madviseDontNeed(address: bigint, bytes: bigint): void {
  checked(libc().madvise(address, bytes, k.MADV_DONTNEED), "madvise");
}

/** malloc_trim(3): returns malloc's unused memory to the kernel. Takes 1 to 2 ms. */
export function mallocTrim(): void {
  libc().mallocTrim(0);
}

/** Checks the result of a call that returns -1 and sets errno if it fails. */
export function checked(result: number, call: string, path?: string): number {
  if (result >= 0) return result;
  throw kernelError(call, errnoName(libc().errno()), path);
}
