/**
 * The only door to native code: functions of the C library and bare system
 * calls, bound with koffi. Numbers, strings and bytes go in, numbers come out,
 * and every failure is a DriverError `KERNEL_CALL_FAILED`.
 *
 * koffi is loaded with the first call, since a plugin that only shakes hands
 * never makes one. All calls are synchronous: koffi's asynchronous ones run on
 * other threads, and much of what is called here belongs to a thread.
 */
import { createRequire } from "node:module";
import type { LibraryHandle } from "koffi";
import * as k from "./constants.ts";
import { errnoName } from "./errnoName.ts";
import { kernelError } from "./kernelError.ts";
import { type OpenHow, openHow } from "./structs.ts";

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
 * @param path what the rule is about, for the error alone
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

/** The same for a path that need not be there: an error object with its stack costs more than the call. */
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

/** pipe2(2), close-on-exec; further flags such as `O_NONBLOCK` hold for both ends. */
export function pipe2(flags = 0): { readonly read: number; readonly write: number } {
  const ends = new Int32Array(2);
  checked(libc().pipe2(ends, flags | k.O_CLOEXEC), "pipe2");
  return { read: ends[0] as number, write: ends[1] as number };
}

/** mkfifo(3); the process's umask applies to the mode. */
export function mkfifo(path: string, mode: number): void {
  checked(libc().mkfifo(path, mode), "mkfifo", path);
}

/** memfd_create(2); the name shows up in `/proc/<pid>/exe` and the like. */
export function memfdCreate(name: string, flags: number): number {
  return checked(libc().memfdCreate(name, flags), "memfd_create", name);
}

/** fcntl(2) with `F_ADD_SEALS`: nobody can change the memfd any more in the ways that are sealed. */
export function addSeals(memfd: number, seals: number): void {
  checked(libc().fcntl(memfd, k.F_ADD_SEALS, seals), "fcntl");
}

/** fcntl(2) with `F_SETFL`: sets the status flags (such as `O_NONBLOCK`) of an open file description. */
export function fcntlSetFlags(descriptor: number, flags: number): void {
  checked(libc().fcntl(descriptor, k.F_SETFL, flags), "fcntl");
}

/**
 * flock(2), exclusive and without waiting. The lock belongs to this opening of the
 * file: it goes when the last descriptor of it is closed, so with the process at the latest.
 * @returns false where another opening of the file is locked
 */
export function tryFlock(descriptor: number): boolean {
  const result = libc().flock(descriptor, k.LOCK_EX | k.LOCK_NB);
  if (result < 0 && errnoName(libc().errno()) === "EAGAIN") return false;
  checked(result, "flock");
  return true;
}

/** pidfd_open(2): a close-on-exec descriptor that stands for the process even if its number is reused. */
export function pidfdOpen(pid: number): number {
  return checked(libc().pidfdOpen(k.SYS_pidfd_open, pid, 0), "pidfd_open", `pid ${pid}`);
}

/** pidfd_send_signal(2); `flags` is 0 or, from kernel 6.9 on, a `PIDFD_SIGNAL_…` scope. */
export function pidfdSendSignal(pidfd: number, signal: number, flags: number): void {
  checked(libc().pidfdSendSignal(k.SYS_pidfd_send_signal, pidfd, signal, null, flags), "pidfd_send_signal");
}

/** pidfd_getfd(2): a duplicate, close-on-exec, of what another process has open under a number. */
export function pidfdGetfd(pidfd: number, number: number): number {
  return checked(libc().pidfdGetfd(k.SYS_pidfd_getfd, pidfd, number, 0), "pidfd_getfd");
}

/**
 * ioctl(2).
 * @param argument a number, or bytes whose address is passed
 * @returns what the request says, such as a descriptor
 */
export function ioctl(descriptor: number, request: number, argument: number | Uint8Array): number {
  const c = libc();
  const result =
    typeof argument === "number"
      ? c.ioctlNumber(descriptor, request, argument)
      : c.ioctlBytes(descriptor, request, argument);
  return checked(result, "ioctl");
}

/** What the child of {@link posixSpawn} has instead of this process's descriptors. */
export interface SpawnDescriptor {
  readonly from: number;
  /** The number in the child; the list is carried out in order, as by dup2(2). */
  readonly to: number;
}

/**
 * posix_spawn(3): the child has a session of its own, no signal blocked and every
 * signal's disposition the default. Of descriptors it has those named, and those
 * that this process was itself started with and that nobody made close-on-exec.
 * @returns the child's pid; whoever calls has to {@link waitpid} for it
 */
export function posixSpawn(
  file: string,
  argv: readonly string[],
  env: readonly string[],
  descriptors: readonly SpawnDescriptor[],
): number {
  const c = libc();
  const actions = new Uint8Array(SPAWN_OBJECT_BYTES);
  const pid = new Int32Array(1);
  spawnChecked(c.fileActionsInit(actions), "posix_spawn_file_actions_init");
  try {
    for (const { from, to } of descriptors) {
      spawnChecked(c.fileActionsAddDup2(actions, from, to), "posix_spawn_file_actions_adddup2");
    }
    const result = c.posixSpawn(pid, file, actions, c.cleanAttributes, [...argv, null], [...env, null]);
    spawnChecked(result, "posix_spawn", file);
  } finally {
    c.fileActionsDestroy(actions);
  }
  return pid[0] as number;
}

/**
 * waitpid(2).
 * @returns the raw wait status, or undefined where `WNOHANG` was given and the child still lives
 */
export function waitpid(pid: number, flags: number): number | undefined {
  const status = new Int32Array(1);
  const reaped = checked(libc().waitpid(pid, status, flags), "waitpid", `pid ${pid}`);
  return reaped === 0 ? undefined : status[0];
}

/** malloc_trim(3): gives the kernel back what malloc holds and nobody uses. Takes 1 to 2 ms. */
export function mallocTrim(): void {
  libc().mallocTrim(0);
}

type Libc = ReturnType<typeof bind>;
let bound: Libc | undefined;

function libc(): Libc {
  bound ??= bind();
  return bound;
}

function bind() {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  // The program itself: it is linked with the C library, whatever that library's name is.
  const library = koffi.load(null);
  // syscall(2) takes its arguments in registers, so that each use can have a fixed prototype.
  const syscall = (...parameters: string[]) => library.func("syscall", "long", ["long", ...parameters]);
  return {
    errno: () => koffi.errno(),
    createRuleset: syscall("void *", "size_t", "uint32_t"),
    addRule: syscall("int", "int", "void *", "uint32_t"),
    openat2: syscall("int", "const char *", "void *", "size_t"),
    pidfdOpen: syscall("int", "unsigned int"),
    pidfdGetfd: syscall("int", "int", "unsigned int"),
    pidfdSendSignal: syscall("int", "int", "void *", "unsigned int"),
    pipe2: library.func("pipe2", "int", ["void *", "int"]),
    mkfifo: library.func("mkfifo", "int", ["const char *", "unsigned int"]),
    memfdCreate: library.func("memfd_create", "int", ["const char *", "unsigned int"]),
    fcntl: library.func("fcntl", "int", ["int", "int", "long"]),
    ioctlNumber: library.func("ioctl", "int", ["int", "unsigned long", "long"]),
    ioctlBytes: library.func("ioctl", "int", ["int", "unsigned long", "void *"]),
    flock: library.func("flock", "int", ["int", "int"]),
    mallocTrim: library.func("malloc_trim", "int", ["size_t"]),
    waitpid: library.func("waitpid", "int", ["int", "void *", "int"]),
    fileActionsInit: library.func("posix_spawn_file_actions_init", "int", ["void *"]),
    fileActionsAddDup2: library.func("posix_spawn_file_actions_adddup2", "int", ["void *", "int", "int"]),
    fileActionsDestroy: library.func("posix_spawn_file_actions_destroy", "int", ["void *"]),
    posixSpawn: library.func("posix_spawn", "int", [
      "void *",
      "const char *",
      "void *",
      "void *",
      "const char **",
      "const char **",
    ]),
    cleanAttributes: cleanSpawnAttributes(library),
  };
}

/** More than the C libraries need for `posix_spawnattr_t` (336 bytes) and `posix_spawn_file_actions_t` (80). */
const SPAWN_OBJECT_BYTES = 512;
const SIGNAL_SET_BYTES = 128;

/** Attributes of a child that inherits nothing of this process's signal state and no session. */
function cleanSpawnAttributes(library: LibraryHandle): Uint8Array {
  const attributes = new Uint8Array(SPAWN_OBJECT_BYTES);
  const set = (name: string, type: string, value: unknown) =>
    spawnChecked(library.func(name, "int", ["void *", type])(attributes, value), name);
  spawnChecked(library.func("posix_spawnattr_init", "int", ["void *"])(attributes), "posix_spawnattr_init");
  // Every bit, the two signals that glibc keeps to itself included: it would leave those ignored.
  set("posix_spawnattr_setsigdefault", "void *", new Uint8Array(SIGNAL_SET_BYTES).fill(0xff));
  set("posix_spawnattr_setsigmask", "void *", new Uint8Array(SIGNAL_SET_BYTES));
  const flags = k.POSIX_SPAWN_SETSIGDEF | k.POSIX_SPAWN_SETSIGMASK | k.POSIX_SPAWN_SETSID;
  set("posix_spawnattr_setflags", "short", flags);
  return attributes;
}

/** For calls that return -1 and set errno. */
function checked(result: number, call: string, path?: string): number {
  if (result >= 0) return result;
  throw kernelError(call, errnoName(libc().errno()), path);
}

/** For functions that return the error number itself, as the posix_spawn family does. */
function spawnChecked(error: number, call: string, path?: string): void {
  if (error !== 0) throw kernelError(call, errnoName(error), path);
}
