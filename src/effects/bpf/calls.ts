/**
 * The system calls that name files or addresses, and where a BPF program finds their arguments. Pure.
 */
import { type Architecture, type SystemCallName, systemCallNumber } from "../kernel/systemCalls.ts";
import type { KernelTypes } from "./btf.ts";

/**
 * What a call does with a name: it looks it up, makes, opens, removes, truncates or changes what it names; or it moves,
 * or links, a file from there to the call's other name.
 */
type NameUse =
  | "lookUp"
  | "make"
  | "openName"
  | "remove"
  | "truncate"
  | "change"
  | "moveFrom"
  | "linkFrom"
  | "moveTo";

/** A call that names a file. */
export interface NamingCall {
  readonly kind: NameUse;
  /** Index of the argument with the name, counted from 0. */
  readonly name: number;
  /**
   * Index of the argument with the descriptor of the folder to which the name is relative. Undefined if the
   * name is relative to the working directory.
   */
  readonly folder?: number;
  /** Set if only failed calls are recorded, because the arguments no longer exist after a success. */
  readonly ifFailed?: true;
}

type Calls<Call> = Partial<Readonly<Record<SystemCallName, Call>>>;

const first = { name: 0 };
const inFolder = { name: 1, folder: 0 };
const lookUp = { kind: "lookUp", ...first } as const;
const change = { kind: "change", ...first } as const;

/** A call with two names is in the second list, too. */
export const namingCalls: readonly [Calls<NamingCall>, Calls<NamingCall>] = [
  {
    open: { kind: "openName", ...first },
    creat: { kind: "openName", ...first },
    openat: { kind: "openName", ...inFolder },
    openat2: { kind: "openName", ...inFolder },
    stat: lookUp,
    lstat: lookUp,
    access: lookUp,
    readlink: lookUp,
    chdir: lookUp,
    statfs: lookUp,
    getxattr: lookUp,
    lgetxattr: lookUp,
    listxattr: lookUp,
    llistxattr: lookUp,
    link: { kind: "linkFrom", ...first },
    newfstatat: { kind: "lookUp", ...inFolder },
    statx: { kind: "lookUp", ...inFolder },
    faccessat: { kind: "lookUp", ...inFolder },
    faccessat2: { kind: "lookUp", ...inFolder },
    readlinkat: { kind: "lookUp", ...inFolder },
    linkat: { kind: "linkFrom", ...inFolder },
    inotify_add_watch: { kind: "lookUp", name: 1 },
    execve: { ...lookUp, ifFailed: true },
    execveat: { kind: "lookUp", ...inFolder, ifFailed: true },
    mkdir: { kind: "make", ...first },
    mknod: { kind: "make", ...first },
    mkdirat: { kind: "make", ...inFolder },
    mknodat: { kind: "make", ...inFolder },
    symlink: { kind: "make", name: 1 },
    symlinkat: { kind: "make", name: 2, folder: 1 },
    rename: { kind: "moveFrom", ...first },
    renameat: { kind: "moveFrom", ...inFolder },
    renameat2: { kind: "moveFrom", ...inFolder },
    unlink: { kind: "remove", ...first },
    rmdir: { kind: "remove", ...first },
    unlinkat: { kind: "remove", ...inFolder },
    truncate: { kind: "truncate", ...first },
    chmod: change,
    chown: change,
    lchown: change,
    utime: change,
    utimes: change,
    setxattr: change,
    lsetxattr: change,
    removexattr: change,
    lremovexattr: change,
    fchmodat: { kind: "change", ...inFolder },
    fchmodat2: { kind: "change", ...inFolder },
    fchownat: { kind: "change", ...inFolder },
    futimesat: { kind: "change", ...inFolder },
    utimensat: { kind: "change", ...inFolder },
  },
  {
    rename: { kind: "moveTo", name: 1 },
    renameat: { kind: "moveTo", name: 3, folder: 2 },
    renameat2: { kind: "moveTo", name: 3, folder: 2 },
    link: { kind: "moveTo", name: 1 },
    linkat: { kind: "moveTo", name: 3, folder: 2 },
  },
];

/** For each call, the index of the address, and what the call does. The first argument is the socket. */
export const addressCalls: Calls<{ readonly kind: "connect" | "bind"; readonly address: number }> = {
  connect: { kind: "connect", address: 1 },
  sendto: { kind: "connect", address: 4 },
  bind: { kind: "bind", address: 1 },
};

/** Greater than the number of any system call. */
export const CALL_NUMBERS = 512;

/** The entries of a table of calls, by the numbers of the calls. */
export function tableOf<Call>(
  calls: Partial<Readonly<Record<SystemCallName, Call>>>,
  architecture: Architecture,
  entryOf: (call: Call) => readonly number[],
): ReadonlyMap<number, Uint32Array> {
  const entries = Object.entries(calls) as [SystemCallName, Call][];
  return new Map(
    entries.flatMap(([name, call]) => {
      const number = systemCallNumber(name, architecture);
      return number === undefined ? [] : [[number, new Uint32Array(entryOf(call))] as const];
    }),
  );
}

/** Offset of a system call's argument in the saved registers, at the end of the call. */
export function argumentOffset(types: KernelTypes, architecture: Architecture, index: number): number {
  if (architecture === "x64") return types.offset(`pt_regs.${["di", "si", "dx", "r10", "r8", "r9"][index]}`);
  // At the end of the call, the first register holds the result.
  return index === 0 ? types.offset("pt_regs.orig_x0") : types.offset("pt_regs.regs") + index * 8;
}
