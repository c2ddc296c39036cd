/**
 * Maps unveil modes to Landlock access rights, depending on the kernel's ABI:
 * landlock(7) and Documentation/userspace-api/landlock.rst. Pure.
 */
import type { TcpPorts } from "../../config/options/tcpPorts.ts";
import type { UnveilMode } from "../../config/options/unveil.ts";

/** A rule on a folder covers everything below it. A device is a file that the task may control by ioctls. */
export type PathKind = "file" | "folder" | "device";

/**
 * Handles all rights of the ABI, so the kernel refuses everything that no rule
 * allows. It cannot refuse what its ABI does not know: truncate(2) of any file that
 * the user may write to before ABI 3, device ioctls before 5, signals and abstract
 * sockets before 6. Before ABI 2 nothing can be renamed or linked across folders.
 */
export function handledAccess(abi: number): number {
  return maskOf(Object.keys(rights) as Right[], abi);
}

/**
 * The rights of a rule. Some letters grant nothing on a file: `c` alone gives 0, and
 * the kernel refuses such a rule.
 */
export function accessOf(mode: UnveilMode, kind: PathKind, abi: number): number {
  const letters = (Object.keys(rightsOf) as (keyof UnveilMode)[]).filter((letter) => mode[letter]);
  return maskOf(
    letters.flatMap((letter) => rightsOf[letter][kind]),
    abi,
  );
}

/**
 * Scopes confine the task to its own Landlock domain: outside of it, the task can
 * neither connect to abstract unix sockets nor send signals.
 */
export function scopesOf(abi: number): number {
  return abi < 6 ? 0 : SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
}

/** `LANDLOCK_SCOPE_*` of `linux/landlock.h`. */
const SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0;
const SCOPE_SIGNAL = 1 << 1;

/** `LANDLOCK_ACCESS_NET_*` of `linux/landlock.h`, both of ABI 4. */
export const NET_BIND_TCP = 1 << 0;
export const NET_CONNECT_TCP = 1 << 1;

/** The rights on TCP ports that are refused unless a rule allows them. */
export function handledNetAccess({ connectTcp, bindTcp }: TcpPorts): number {
  return (bindTcp === undefined ? 0 : NET_BIND_TCP) | (connectTcp === undefined ? 0 : NET_CONNECT_TCP);
}

/** `LANDLOCK_ACCESS_FS_*` of `linux/landlock.h`: the bit, and the first ABI that has it. */
const rights = {
  execute: { bit: 1 << 0, since: 1 },
  writeFile: { bit: 1 << 1, since: 1 },
  readFile: { bit: 1 << 2, since: 1 },
  readDir: { bit: 1 << 3, since: 1 },
  removeDir: { bit: 1 << 4, since: 1 },
  removeFile: { bit: 1 << 5, since: 1 },
  makeChar: { bit: 1 << 6, since: 1 },
  makeDir: { bit: 1 << 7, since: 1 },
  makeReg: { bit: 1 << 8, since: 1 },
  makeSock: { bit: 1 << 9, since: 1 },
  makeFifo: { bit: 1 << 10, since: 1 },
  makeBlock: { bit: 1 << 11, since: 1 },
  makeSym: { bit: 1 << 12, since: 1 },
  refer: { bit: 1 << 13, since: 2 },
  truncate: { bit: 1 << 14, since: 3 },
  ioctlDev: { bit: 1 << 15, since: 5 },
} as const;

type Right = keyof typeof rights;

/**
 * `w` includes device ioctls: a task that may write to a device is meant to use it
 * (terminals, /dev/kvm, /dev/net/tun, graphics), and isatty(3) on /dev/null keeps its
 * usual answer. A task that may only read one, such as /dev/urandom, needs no ioctls.
 * A device from a device plugin is meant to be used, so even `r` includes them.
 * No letter grants makeChar: a character device can expose the kernel's memory.
 */
const rightsOf: Readonly<Record<keyof UnveilMode, Readonly<Record<PathKind, readonly Right[]>>>> = {
  read: { file: ["readFile"], folder: ["readFile", "readDir"], device: ["readFile", "ioctlDev"] },
  write: {
    file: ["writeFile", "truncate", "ioctlDev"],
    folder: ["writeFile", "truncate", "ioctlDev"],
    device: ["writeFile", "truncate", "ioctlDev"],
  },
  execute: { file: ["execute"], folder: ["execute"], device: [] },
  create: {
    file: [],
    folder: [
      "makeReg",
      "makeDir",
      "makeSym",
      "makeSock",
      "makeFifo",
      "makeBlock",
      "removeFile",
      "removeDir",
      "refer",
    ],
    device: [],
  },
};

function maskOf(names: readonly Right[], abi: number): number {
  return names.reduce((mask, name) => (rights[name].since <= abi ? mask | rights[name].bit : mask), 0);
}
