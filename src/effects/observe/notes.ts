/** Decodes the notes that the programs of probes.ts make. Pure. */
import type { Access, NamedUse } from "../../config/learn/access.ts";
import { SOCK_STREAM } from "../kernel/constants.ts";
import { noteLayout, openBits, REFUSED } from "./probes.ts";
import { noteKinds } from "./watchedCalls.ts";

export interface Note {
  /** The watched cgroup. */
  readonly cgroup: bigint;
  readonly access: Access;
}

const uses: Readonly<Record<number, NamedUse>> = {
  [noteKinds.lookUp]: "lookUp",
  [noteKinds.openName]: "open",
  [noteKinds.make]: "make",
  [noteKinds.remove]: "remove",
  [noteKinds.truncate]: "truncate",
  [noteKinds.change]: "change",
  [noteKinds.connectPath]: "connect",
  [noteKinds.executeName]: "execute",
};

/** @returns undefined for a note of no known kind */
export function readNote(bytes: Buffer): Note | undefined {
  const access = accessOf(bytes);
  return access && { cgroup: bytes.readBigUInt64LE(noteLayout.cgroup), access };
}

function accessOf(bytes: Buffer): Access | undefined {
  const kind = bytes.readUInt32LE(noteLayout.kind);
  const detail = bytes.readUInt32LE(noteLayout.detail);
  const use = uses[kind];
  if (use !== undefined) return { kind: "named", use, path: nameOf(bytes), errno: Math.abs(detail | 0) };
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
    case noteKinds.bind:
      return {
        kind: kind === noteKinds.bind ? "bound" : "connected",
        port: ((detail & 0xff) << 8) | ((detail >>> 8) & 0xff),
        tcp: detail >>> 16 === SOCK_STREAM,
      };
    case noteKinds.capability:
      return { kind: "capability", number: detail & (REFUSED - 1), refused: (detail & REFUSED) !== 0 };
    default:
      return undefined;
  }
}

/** The parts of a note's text, up to the first empty one. */
function textsOf(bytes: Buffer): string[] {
  const texts = bytes.toString("utf8", noteLayout.text).split("\0");
  return texts.slice(0, texts.indexOf(""));
}

/** Joins the names of a path, which come last one first. */
function pathOf(names: readonly string[]): string {
  return `/${names.toReversed().join("/")}`;
}

function nameOf(bytes: Buffer): string {
  const [name = "", ...folder] = textsOf(bytes);
  return name.startsWith("/") ? name : `${pathOf(folder)}/${name}`;
}
