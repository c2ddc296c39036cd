/**
 * A task's `mount` blocks: files and folders of its own at other paths of its root, and folders in memory. Pure.
 *
 * A source is in `local`, `secrets` or `alloc`. It is named by the folder that the agent has made and the path
 * below, since tasks may put symlinks into that path: whoever opens it follows none.
 */

import { DriverError } from "../../base/errors.ts";
import { suggestion } from "../../base/suggest.ts";
import { mebibytesUpTo } from "../options/fields.ts";
import type { OptionProblem } from "../options/optionProblem.ts";
import { isAtOrBelow, namesOf } from "../paths/paths.ts";
import type { PlacedMount, TaskFolders } from "./layout.ts";

/** A block as a client decodes it: every value is a text. */
export type MountBlock = Readonly<Record<string, string>>;

/** A folder in memory: tmpfs(5). */
export interface MemoryMount {
  /** As in {@link PlacedMount}. */
  readonly target: string;
  readonly bytes: number;
}

export interface PlacedBlocks {
  /** Sorted by target. None is in another. */
  readonly mounts: readonly PlacedMount[];
  readonly inMemory: readonly MemoryMount[];
}

/** Each block takes steps of a start. */
export const maxMountBlocks = 32;

/** The problem with a block by itself. The message continues the option's name. */
export function mountBlockProblem(block: MountBlock): OptionProblem | undefined {
  const unknown = Object.keys(block).find((name) => !keys.includes(name));
  if (unknown !== undefined) return problem(`has ${JSON.stringify(unknown)}`, suggestion(unknown, keys));
  const { type = "bind", source, target, readonly = "true", size } = block;
  if (type !== "bind" && type !== "tmpfs")
    return problem(
      `has type = ${JSON.stringify(type)}`,
      "Write bind or tmpfs; a volume_mount mounts volumes",
    );
  if (target === undefined) return problem("has no target", "Name the path at which the task finds it");
  if (readonly !== "true" && readonly !== "false")
    return problem(`has readonly = ${JSON.stringify(readonly)}`, "Write true or false");
  return type === "bind" ? bindProblem(source, size) : memoryProblem(block);
}

const keys = ["type", "source", "target", "readonly", "size"];

function bindProblem(source: string | undefined, size: string | undefined): OptionProblem | undefined {
  if (source === undefined)
    return problem("has no source", 'Name a file or folder, such as local/app.conf; or write type = "tmpfs"');
  if (size !== undefined) return problem("has a size", 'Only one with type = "tmpfs" has a size');
  return undefined;
}

function memoryProblem({ source, readonly, size }: MountBlock): OptionProblem | undefined {
  const unused = source !== undefined ? "source" : readonly !== undefined ? "readonly" : undefined;
  if (unused !== undefined)
    return problem(`has type = "tmpfs" and ${unused}`, "A folder in memory begins empty, and is writable");
  if (size === undefined)
    return problem('has type = "tmpfs" without a size', 'Give it one, such as size = "64MB"');
  const { error } = memorySize.safeParse(size);
  const [issue] = error?.issues ?? [];
  return issue && problem(`has size = ${JSON.stringify(size)}`, `It ${issue.message}`);
}

/** MiB. */
const memorySize = mebibytesUpTo(1_048_576);

function problem(message: string, hint: string): OptionProblem {
  return { message, hint };
}

/**
 * Places valid blocks in a task's root.
 * @param others volumes and devices
 * @throws DriverError `MOUNT_SOURCE_INVALID`, `MOUNT_TARGET_INVALID`
 */
export function placeMountBlocks(
  blocks: readonly MountBlock[],
  others: readonly PlacedMount[],
  folders: TaskFolders,
): PlacedBlocks {
  const mounts: PlacedMount[] = [];
  const inMemory: MemoryMount[] = [];
  const taken = others.map(({ target }) => target);
  for (const { type, source = "", target: given = "", readonly, size } of blocks) {
    const target = targetOf(given, folders);
    const other = taken.find((each) => isAtOrBelow(each, target) || isAtOrBelow(target, each));
    if (other !== undefined) throw badTarget(given, `overlaps with the mount at ${other}`, apart);
    taken.push(target);
    if (type === "tmpfs") inMemory.push({ target, bytes: Math.floor(memorySize.parse(size) * 2 ** 20) });
    else mounts.push(placeOwn(source, target, readonly !== "false", folders));
  }
  mounts.sort((one, other) => (one.target < other.target ? -1 : 1));
  return { mounts, inMemory };
}

const apart = "Give each mount a target of its own, and none in another";

/** @throws DriverError `MOUNT_SOURCE_INVALID` */
function placeOwn(source: string, target: string, readOnly: boolean, folders: TaskFolders): PlacedMount {
  const { anchor, rest } = ownPlace(source, folders);
  const write = !readOnly;
  return {
    kind: "mount",
    source: rest === "" ? anchor : `${anchor}/${rest}`,
    own: { anchor, rest },
    target,
    // A task has these rights on the folder, too.
    mode: { read: true, write, execute: anchor !== folders.secretsDir, create: write },
    readOnly,
    propagation: "private",
  };
}

function ownPlace(
  source: string,
  { taskDir, allocDir, secretsDir }: TaskFolders,
): { readonly anchor: string; readonly rest: string } {
  const names = namesOf(source);
  if (names.includes("..") || source.includes("\0"))
    throw badSource(source, 'has a ".." or a NUL byte in it', "Write the resulting path");
  const [first = "", ...below] = names;
  const whole = `/${names.join("/")}`;
  const anchors = { local: taskDir, secrets: secretsDir, alloc: allocDir };
  const anchor = source.startsWith("/")
    ? Object.values(anchors).find((folder) => isAtOrBelow(whole, folder))
    : Object.entries(anchors).find(([name]) => name === first)?.[1];
  if (anchor === undefined)
    throw badSource(source, "is not in local/, secrets/ or alloc/", "Name a file or folder there");
  const rest = source.startsWith("/") ? whole.slice(anchor.length + 1) : below.join("/");
  // The agent writes as root to the logs, which a task reaches read-only at their own path.
  if (anchor === allocDir && (rest === "" || isAtOrBelow(`/${rest}`, "/logs")))
    throw badSource(source, "has the allocation's logs in it", "Name a folder in alloc/, such as alloc/data");
  return { anchor, rest };
}

/**
 * The path without empty and `.` segments.
 * @throws DriverError `MOUNT_TARGET_INVALID`
 */
function targetOf(given: string, folders: TaskFolders): string {
  const names = namesOf(given);
  if (!given.startsWith("/") || names.length === 0 || given.includes("\0") || names.includes(".."))
    throw badTarget(given, 'is not an absolute path without ".."', "Write the whole path, from / on");
  const target = `/${names.join("/")}`;
  const special = ["/dev", "/proc", "/sys"].find((folder) => isAtOrBelow(target, folder));
  if (special !== undefined) throw badTarget(given, `is in ${special}`, "Choose a path elsewhere");
  if (target === "/tmp")
    throw badTarget(given, "is the task's own /tmp", "tmp_size gives it a /tmp in memory");
  const file = Object.keys(madeFiles).find((path) => isAtOrBelow(path, target) || isAtOrBelow(target, path));
  if (file !== undefined)
    throw badTarget(given, `would replace ${file}, which the driver makes`, madeFiles[file] ?? "");
  const own = Object.values<string>({ ...folders }).find(
    (folder) => isAtOrBelow(folder, target) || isAtOrBelow(target, folder),
  );
  if (own === undefined) return target;
  throw badTarget(given, `would hide the task's own folder ${own}, or lies in it`, "Choose a path elsewhere");
}

/** The driver's own mounts in /etc, and what changes their contents. */
const madeFiles: Readonly<Record<string, string>> = {
  "/etc/hosts": "extra_hosts adds names to it",
  "/etc/resolv.conf": "The group's network.dns block makes one",
  "/etc/passwd": "identity_files = true makes one",
  "/etc/group": "identity_files = true makes one",
};

function badSource(source: string, what: string, hint: string): DriverError {
  const summary = `the source ${JSON.stringify(source)} of a mount ${what}`;
  return new DriverError("MOUNT_SOURCE_INVALID", summary, { option: "mount", hint });
}

function badTarget(target: string, what: string, hint: string): DriverError {
  const summary = `the target ${JSON.stringify(target)} of a mount ${what}`;
  return new DriverError("MOUNT_TARGET_INVALID", summary, { option: "mount", hint });
}
