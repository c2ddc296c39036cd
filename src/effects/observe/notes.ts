/**
 * The notes that BPF programs (useProgram.ts) write about accesses of watched tasks: their kinds, layout and
 * decoding. Pure.
 */

import { AF_INET, SOCK_STREAM } from "../kernel/constants.ts";
import { formatAddress, withoutMapping } from "../network/addresses.ts";
import type { Access, NamedAccess } from "./access.ts";

/** The kinds of notes. */
export const noteKinds = {
  /**
   * A name was looked up. Detail, as for all kinds with a name: the call's error as a negative number, or 0.
   */
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
  /** The path of an executed program. For a script, the path of its interpreter. */
  executed: 10,
  /** ioctl(2) on a device. Detail: the request. */
  control: 11,
  /**
   * Detail: the port in network order in the lower 16 bits, the socket's type in the upper 16 bits. In place of
   * a text, `addressLayout`.
   */
  connect: 12,
  bind: 13,
  /** Detail: the capability's number, and `REFUSED` if the kernel refused it. */
  capability: 14,
  /** The old name of a file that was moved or linked, and the new one. */
  moveFrom: 15,
  linkFrom: 16,
  moveTo: 17,
} as const;

/**
 * Layout of a note. Its text consists of parts that each end with a NUL. For a path, the parts are the path's
 * names in reverse order. For a name, the first part is the name itself. If the name is relative, the names
 * of its starting folder follow, in reverse order.
 */
export const noteLayout = { cgroup: 0, kind: 8, detail: 12, text: 16, textBytes: 1280, bytes: 1296 } as const;

/** Offsets of an address's family and of its first byte in a note. */
export const addressLayout = { family: noteLayout.text, address: noteLayout.text + 8 } as const;

/**
 * Bits in the detail of an opened file: flags of open(2), flags of the kernel, and the file's type as in its
 * mode.
 */
export const openBits = {
  read: 1,
  write: 2,
  truncate: 0o1000,
  type: 0o170000,
  created: 0x100000,
} as const;

/** Bit in the detail of a capability. */
export const REFUSED = 0x100;

export interface Note {
  /** The watched cgroup. */
  readonly cgroup: bigint;
  readonly access: Access;
}

const uses: Readonly<Record<number, Pick<NamedAccess, "use" | "moves">>> = {
  [noteKinds.lookUp]: { use: "lookUp" },
  [noteKinds.openName]: { use: "open" },
  [noteKinds.make]: { use: "make" },
  [noteKinds.remove]: { use: "remove" },
  [noteKinds.truncate]: { use: "truncate" },
  [noteKinds.change]: { use: "change" },
  [noteKinds.connectPath]: { use: "connect" },
  [noteKinds.executeName]: { use: "execute" },
  [noteKinds.moveFrom]: { use: "remove", moves: "from" },
  [noteKinds.linkFrom]: { use: "lookUp", moves: "from" },
  [noteKinds.moveTo]: { use: "make", moves: "to" },
};

/** @returns undefined for a note of an unknown kind */
export function readNote(bytes: Buffer): Note | undefined {
  const access = accessOf(bytes);
  return access && { cgroup: bytes.readBigUInt64LE(noteLayout.cgroup), access };
}

function accessOf(bytes: Buffer): Access | undefined {
  const kind = bytes.readUInt32LE(noteLayout.kind);
  const detail = bytes.readUInt32LE(noteLayout.detail);
  const use = uses[kind];
  if (use !== undefined) return { kind: "named", ...use, path: nameOf(bytes), errno: Math.abs(detail | 0) };
  switch (kind) {
    case noteKinds.opened:
      return {
        kind: "opened",
        path: pathOf(textsOf(bytes)),
        read: (detail & openBits.read) !== 0,
        write: (detail & (openBits.write | openBits.truncate)) !== 0,
        created: (detail & openBits.created) !== 0,
      };
    case noteKinds.executed:
      return { kind: "executed", path: pathOf(textsOf(bytes)) };
    case noteKinds.control:
      return { kind: "controlled", path: pathOf(textsOf(bytes)), request: detail };
    case noteKinds.connect:
      return { kind: "connected", address: addressOf(bytes), ...portOf(detail) };
    case noteKinds.bind:
      return { kind: "bound", ...portOf(detail) };
    case noteKinds.capability:
      return { kind: "capability", number: detail & (REFUSED - 1), refused: (detail & REFUSED) !== 0 };
    default:
      return undefined;
  }
}

function portOf(detail: number): { readonly port: number; readonly tcp: boolean } {
  return { port: ((detail & 0xff) << 8) | ((detail >>> 8) & 0xff), tcp: detail >>> 16 === SOCK_STREAM };
}

function addressOf(bytes: Buffer): string {
  const length = bytes.readUInt32LE(addressLayout.family) === AF_INET ? 4 : 16;
  const address = bytes.subarray(addressLayout.address, addressLayout.address + length);
  return formatAddress(withoutMapping(address));
}

/** The parts of a note's text, up to the first empty one. */
function textsOf(bytes: Buffer): string[] {
  const texts = bytes.toString("utf8", noteLayout.text).split("\0");
  return texts.slice(0, texts.indexOf(""));
}

/** Joins the names of a path, which are in reverse order. */
function pathOf(names: readonly string[]): string {
  return `/${names.toReversed().join("/")}`;
}

function nameOf(bytes: Buffer): string {
  const [name = "", ...folder] = textsOf(bytes);
  return name.startsWith("/") ? name : `${pathOf(folder)}/${name}`;
}
