/**
 * Maps unveil modes to Landlock access rights, depending on the kernel's ABI:
 * landlock(7) and Documentation/userspace-api/landlock.rst. Pure.
 */
import type { UnveilMode } from "../unveil/unveil.ts";
import type { PathKind } from "../unveil/unveiledPaths.ts";
import { type LandlockRight, maskOfRights, rightsOfFamily } from "./rights.ts";

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
