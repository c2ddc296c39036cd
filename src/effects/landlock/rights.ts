/**
 * The rights of Landlock that each ABI of the kernel added, and which unveil mode grants them: landlock(7),
 * `linux/landlock.h`, Documentation/userspace-api/landlock.rst. Pure.
 *
 * Rights have the names that audit records show in the field `blockers`. Their constants are
 * `LANDLOCK_ACCESS_FS_…`, `LANDLOCK_ACCESS_NET_…` and `LANDLOCK_SCOPE_…`. If the kernel is newer than the
 * table, the driver uses {@link LATEST_ABI}: a ruleset refuses only the rights that it names.
 */

import type { PortOption } from "../network/ports.ts";
import type { UnveilMode } from "../unveil/unveil.ts";
import type { PathKind } from "../unveil/unveiledPaths.ts";

/** ABI 12 (capabilities, namespaces) follows once a kernel with that ABI is released. */
export const LATEST_ABI = 11;

/** The numbers from 1 to {@link LATEST_ABI}. */
export type Abi = Exclude<Numbers<typeof LATEST_ABI>, 0> | typeof LATEST_ABI;
type Numbers<Max extends number, Found extends number[] = []> = Found["length"] extends Max
  ? Found[number]
  : Numbers<Max, [...Found, Found["length"]]>;

interface AddedByAbi {
  /** The first version of Linux with this ABI. */
  readonly linux: string;
  /**
   * In words, how the driver restricts tasks with this ABI's rights. Absent if the driver uses none of these
   * rights.
   */
  readonly meaning?: string;
  /** The bit of each right in the mask of its family. */
  readonly rights: Readonly<Partial<Record<`${Family}.${string}`, number>>>;
}

/**
 * Rights on files, rights on ports, and scopes, which confine signals and abstract sockets to the task's
 * domain. Each family has its own mask.
 */
type Family = "fs" | "net" | "scope";

export const abis = {
  1: {
    linux: "5.13",
    meaning: "files and folders: read, write, execute, create, remove",
    rights: {
      "fs.execute": 1 << 0,
      "fs.write_file": 1 << 1,
      "fs.read_file": 1 << 2,
      "fs.read_dir": 1 << 3,
      "fs.remove_dir": 1 << 4,
      "fs.remove_file": 1 << 5,
      "fs.make_char": 1 << 6,
      "fs.make_dir": 1 << 7,
      "fs.make_reg": 1 << 8,
      "fs.make_sock": 1 << 9,
      "fs.make_fifo": 1 << 10,
      "fs.make_block": 1 << 11,
      "fs.make_sym": 1 << 12,
    },
  },
  2: {
    linux: "5.19",
    meaning: "rename and link between unveiled folders",
    rights: { "fs.refer": 1 << 13 },
  },
  3: {
    linux: "6.2",
    meaning: "truncate only where writing is allowed",
    rights: { "fs.truncate": 1 << 14 },
  },
  4: {
    linux: "6.7",
    meaning: "only the TCP ports of connect_tcp and bind_tcp",
    rights: { "net.bind_tcp": 1 << 0, "net.connect_tcp": 1 << 1 },
  },
  5: {
    linux: "6.10",
    meaning: "no ioctls on devices that are not unveiled",
    rights: { "fs.ioctl_dev": 1 << 15 },
  },
  6: {
    linux: "6.12",
    meaning: "no signals and no abstract sockets to other tasks",
    rights: { "scope.abstract_unix_socket": 1 << 0, "scope.signal": 1 << 1 },
  },
  // This ABI adds audit records of refusals.
  7: { linux: "6.15", rights: {} },
  // This ABI can restrict all threads of a process at once. A task has a single thread when it restricts
  // itself.
  8: { linux: "7.0", rights: {} },
  9: {
    linux: "7.1",
    meaning: "no connections to sockets in folders, except where writing is allowed",
    rights: { "fs.resolve_unix": 1 << 16 },
  },
  // This ABI also lets a rule suppress audit records. The driver does not use that, because it could not
  // explain such refusals.
  10: {
    linux: "7.2",
    meaning: "only the UDP ports of connect_udp and bind_udp",
    rights: { "net.bind_udp": 1 << 2, "net.connect_send_udp": 1 << 3 },
  },
  // This ABI can also set no_new_privs. The launch plan sets it in a step of its own.
  11: { linux: "7.3", rights: {} },
} as const satisfies Readonly<Record<Abi, AddedByAbi>>;

/** A right by its name in audit records, such as `fs.read_file`. */
export type LandlockRight = { [A in Abi]: keyof (typeof abis)[A]["rights"] }[Abi];

/** All rights of a family, in the order of their ABIs. */
export function rightsOfFamily<F extends Family>(family: F): Extract<LandlockRight, `${F}.${string}`>[] {
  type Right = Extract<LandlockRight, `${F}.${string}`>;
  return [...known.keys()].filter((right): right is Right => right.startsWith(`${family}.`));
}

/** The mask of rights of one family. Leaves out rights that the ABI lacks. */
export function maskOfRights(rights: readonly LandlockRight[], abi: number): number {
  return rights.map(find).reduce((mask, { abi: since, bit }) => (since <= abi ? mask | bit : mask), 0);
}

/** The first ABI that has a right. */
export function abiWith(right: LandlockRight): Abi {
  return find(right).abi;
}

/** The first kernel that has a right, such as `Linux 6.7 or newer (ABI 4)`. */
export function kernelWith(right: LandlockRight): string {
  const abi = abiWith(right);
  return `Linux ${abis[abi].linux} or newer (ABI ${abi})`;
}

function find(right: LandlockRight): Known {
  const found = known.get(right);
  if (found === undefined) throw new TypeError(`no ABI has the right ${right}`);
  return found;
}

interface Known {
  readonly abi: Abi;
  readonly bit: number;
}

const known: ReadonlyMap<LandlockRight, Known> = new Map(
  Object.entries(abis).flatMap(([abi, { rights }]) =>
    Object.entries(rights).map(([right, bit]): [LandlockRight, Known] => [
      right as LandlockRight,
      { abi: Number(abi) as Abi, bit },
    ]),
  ),
);

/** The right on ports that each option restricts. */
export const portRights: Readonly<Record<PortOption, LandlockRight>> = {
  connectTcp: "net.connect_tcp",
  bindTcp: "net.bind_tcp",
  connectUdp: "net.connect_send_udp",
  bindUdp: "net.bind_udp",
};

/**
 * The rights on files that a ruleset handles: all that the ABI has, so the kernel refuses everything that no
 * rule allows. Before ABI 2, nothing can be renamed or linked across folders. The kernel cannot refuse
 * operations for which its ABI has no right:
 *
 * - before ABI 3, truncate(2) of any file that the user may write to;
 * - before ABI 5, device ioctls;
 * - before ABI 6, signals and connections to abstract sockets;
 * - before ABI 9, connections to other unix sockets.
 */
export function handledAccess(abi: number): number {
  return maskOfRights(rightsOfFamily("fs"), abi);
}

/**
 * The rights of a rule. Some letters grant nothing on a file: `c` alone gives 0, and
 * the kernel refuses such a rule.
 */
export function accessOf(mode: UnveilMode, kind: PathKind, abi: number): number {
  let masks = masksByAbi.get(abi);
  if (masks === undefined) {
    masks = letters.map((letter) => [letter, masksOf(rightsOf[letter], abi)] as const);
    masksByAbi.set(abi, masks);
  }
  let access = 0;
  for (const [letter, mask] of masks) if (mode[letter]) access |= mask[kind];
  return access;
}

type Letter = keyof UnveilMode;
type Masks = Readonly<Record<PathKind, number>>;

/** What each letter grants. Made once: a start asks for some eighty rules. */
const masksByAbi = new Map<number, readonly (readonly [Letter, Masks])[]>();

function masksOf({ file, folder, device }: (typeof rightsOf)[Letter], abi: number): Masks {
  const mask = (rights: readonly LandlockRight[]) => maskOfRights(rights, abi);
  return { file: mask(file), folder: mask(folder), device: mask(device) };
}

/**
 * Scopes confine the task to its own Landlock domain: outside of it, the task can
 * neither connect to abstract unix sockets nor send signals.
 */
export function scopesOf(abi: number): number {
  return maskOfRights(rightsOfFamily("scope"), abi);
}

/**
 * The scopes of a task with these options. A command that is run in a task has a domain of its own, which a scope
 * would keep from signalling the task, as stop commands must. So the pid namespace of such a task alone confines
 * its signals. A task without a pid namespace of its own keeps the scope.
 */
export function scopesFor(
  abi: number,
  { stopCommand, pidMode }: { readonly stopCommand: readonly string[]; readonly pidMode: string },
): number {
  if (stopCommand.length === 0 || pidMode === "host") return scopesOf(abi);
  return scopesOf(abi) & ~maskOfRights(["scope.signal"], abi);
}

/**
 * `w` includes device ioctls: a task that may write to a device is meant to use it (terminals, /dev/kvm,
 * /dev/net/tun, graphics), and isatty(3) on /dev/null keeps its usual answer. A task that may only read a
 * device, such as /dev/urandom, needs no ioctls. But a device from a device plugin is meant to be used, so
 * even `r` includes ioctls on it. `w` also includes connections to sockets: unix(7) requires write permission
 * for these, too. No letter grants fs.make_char: a character device can expose the kernel's memory.
 */
const rightsOf: Readonly<Record<Letter, Readonly<Record<PathKind, readonly LandlockRight[]>>>> = {
  read: {
    file: ["fs.read_file"],
    folder: ["fs.read_file", "fs.read_dir"],
    device: ["fs.read_file", "fs.ioctl_dev"],
  },
  write: {
    file: ["fs.write_file", "fs.truncate", "fs.ioctl_dev", "fs.resolve_unix"],
    folder: ["fs.write_file", "fs.truncate", "fs.ioctl_dev", "fs.resolve_unix"],
    device: ["fs.write_file", "fs.truncate", "fs.ioctl_dev"],
  },
  execute: { file: ["fs.execute"], folder: ["fs.execute"], device: [] },
  create: {
    file: [],
    folder: [
      "fs.make_reg",
      "fs.make_dir",
      "fs.make_sym",
      "fs.make_sock",
      "fs.make_fifo",
      "fs.make_block",
      "fs.remove_file",
      "fs.remove_dir",
      "fs.refer",
    ],
    device: [],
  },
};

const letters = Object.keys(rightsOf) as Letter[];
