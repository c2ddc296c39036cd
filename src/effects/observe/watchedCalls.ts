/** The system calls whose arguments are noted, and the kinds of notes. Pure. */
import type { SystemCallName } from "../../systemCalls.ts";

/** The kinds of notes. */
export const noteKinds = {
  /** A name was looked up. Detail: the call's error as a negative number, or 0, as for all kinds with a name. */
  lookUp: 1,
  openName: 2,
  make: 3,
  remove: 4,
  truncate: 5,
  /** A change of mode, owner, times or attributes. */
  change: 6,
  /** The name of a socket's file. */
  connectPath: 7,
  /** The name of an executed program or script. */
  executeName: 8,
  /** The path of a file or folder that was opened. Detail: `openBits`. */
  opened: 9,
  /** The path of an executed program. For a script that is its interpreter. */
  executed: 10,
  /** ioctl(2) on a device. Detail: the request. */
  control: 11,
  /** Detail: the port in network order in the lower 16 bits, the socket's type in the upper ones. */
  connect: 12,
  bind: 13,
  /** Detail: the capability's number, and `REFUSED` if the kernel refused it. */
  capability: 14,
} as const;

export type NoteKind = keyof typeof noteKinds;

/** A call that names a file. */
export interface NamingCall {
  readonly kind: NoteKind;
  /** Index of the argument with the name, from 0 on. */
  readonly name: number;
  /**
   * Index of the argument with the descriptor of the folder in which the name begins. Undefined: it begins in
   * the working directory.
   */
  readonly folder?: number;
  /** Set if the arguments no longer exist after the call succeeds. */
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
    link: lookUp,
    newfstatat: { kind: "lookUp", ...inFolder },
    statx: { kind: "lookUp", ...inFolder },
    faccessat: { kind: "lookUp", ...inFolder },
    faccessat2: { kind: "lookUp", ...inFolder },
    readlinkat: { kind: "lookUp", ...inFolder },
    linkat: { kind: "lookUp", ...inFolder },
    inotify_add_watch: { kind: "lookUp", name: 1 },
    execve: { ...lookUp, ifFailed: true },
    execveat: { kind: "lookUp", ...inFolder, ifFailed: true },
    mkdir: { kind: "make", ...first },
    mknod: { kind: "make", ...first },
    mkdirat: { kind: "make", ...inFolder },
    mknodat: { kind: "make", ...inFolder },
    symlink: { kind: "make", name: 1 },
    symlinkat: { kind: "make", name: 2, folder: 1 },
    rename: { kind: "remove", ...first },
    renameat: { kind: "remove", ...inFolder },
    renameat2: { kind: "remove", ...inFolder },
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
    rename: { kind: "make", name: 1 },
    renameat: { kind: "make", name: 3, folder: 2 },
    renameat2: { kind: "make", name: 3, folder: 2 },
    link: { kind: "make", name: 1 },
    linkat: { kind: "make", name: 3, folder: 2 },
  },
];

/** Calls that return the descriptor of a file that they have opened. */
export const openingCalls = ["open", "creat", "openat", "openat2", "open_by_handle_at"] as const;

/** For each call, the index of the address, and what the call does. The first argument is the socket. */
export const addressCalls: Calls<{ readonly kind: "connect" | "bind"; readonly address: number }> = {
  connect: { kind: "connect", address: 1 },
  sendto: { kind: "connect", address: 4 },
  bind: { kind: "bind", address: 1 },
};
