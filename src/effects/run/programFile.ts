/**
 * What tells a task's program from another version of it: the size of its file, and a digest of the file's first and
 * last 64 KiB. There linkers put the ids of builds, and archives their tables of contents with checksums, so versions of
 * the same size differ, too. The digest is keyed as that of the environment, because a script may hold a secret. The
 * time of the last change says nothing: an agent unpacks an artifact anew for each allocation.
 *
 * The file is read a second after the start, so that no start waits for it, or at the end of a task that ends before.
 * It counts only if it has not changed since the start. Whatever it is by then, no call on it may hang or open
 * anything else: the path is resolved without I/O, links in folders that the task may change lead out of none of
 * them, and only a regular file on a file system of this host is read.
 */

import { type BigIntStats, closeSync, constants, fstatSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { atMost } from "../../base/atMost.ts";
import { keyedDigest } from "../command/envDigest.ts";
import {
  AT_FDCWD,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_CACHED,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_XDEV,
} from "../kernel/constants.ts";
import { asFileUser, type FileUser } from "../kernel/fileUser.ts";
import { tryOpenat2 } from "../kernel/libc.ts";
import { mountAround, type TaskFolders } from "../layout/layout.ts";
import { fileSystemOf } from "../paths/hostMounts.ts";
import { isRemoteType } from "../paths/mountinfo.ts";
import { RootFolder } from "../root/rootFolder.ts";

export interface ProgramFile {
  readonly bytes: number;
  /** Hex. */
  readonly digest: string;
}

export interface ProgramPlace {
  /** The absolute path that the task sees. A script's is its own, not its interpreter's. */
  readonly path: string;
  /**
   * Folders whose contents the task or its job may change, as the task sees them and on the host, each before those
   * below it.
   */
  readonly folders: readonly { readonly target: string; readonly source: string }[];
  /** The folder that the task's root is made of. */
  readonly rootDir?: { readonly name: string; readonly folders: TaskFolders } | undefined;
  /** Whoever may not find the path on the host must learn nothing of it. */
  readonly user: FileUser;
}

/** Milliseconds until a started program's file is read. */
const delayMs = 1_000;

/** Maximum time that the end of a task waits for its program's file. */
const maxWaitMs = 500;

export interface ProgramWatch {
  /** Undefined if nothing certain can be told of the program. Never rejects. */
  end(): Promise<ProgramFile | undefined>;
  cancel(): void;
}

/**
 * @param placeOf called when the file is read
 * @param startedAt milliseconds since the epoch
 * @param stateFolder root-only folder that holds the key of digests
 */
export function watchProgram(
  placeOf: () => ProgramPlace,
  startedAt: number,
  stateFolder: string,
): ProgramWatch {
  let reading: Promise<ProgramFile | undefined> | undefined;
  const read = () => {
    reading ??= readProgram(placeOf(), startedAt, stateFolder);
    return reading;
  };
  const timer = setTimeout(read, delayMs).unref();
  const cancel = () => clearTimeout(timer);
  return {
    end: () => {
      cancel();
      return atMost(maxWaitMs, read());
    },
    cancel,
  };
}

async function readProgram(
  place: ProgramPlace,
  startedAt: number,
  stateFolder: string,
): Promise<ProgramFile | undefined> {
  let file: number | undefined;
  try {
    file = openProgram(place);
    if (file === undefined || !isOnThisHost(file)) return undefined;
    const status = fstatSync(file, { bigint: true });
    if (!status.isFile() || status.ctimeMs > BigInt(startedAt)) return undefined;
    return { bytes: Number(status.size), digest: await digestOf(file, status, stateFolder) };
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * What the kernel has to look up on a disk, or to ask another machine for, is not waited for. Neither is a link whose
 * time of access is to be changed (mount(8), relatime), which the task's own start usually has done.
 */
const cached = RESOLVE_CACHED | RESOLVE_NO_MAGICLINKS;
const within = cached | RESOLVE_BENEATH | RESOLVE_NO_XDEV;

/** @returns an `O_PATH` descriptor */
function openProgram({ path, folders, rootDir, user }: ProgramPlace): number | undefined {
  const around = mountAround(path, folders);
  if (around !== undefined) {
    const folder = openAt(AT_FDCWD, around.source, cached);
    if (folder === undefined || path === around.target) return folder;
    try {
      return openAt(folder, path.slice(around.target.length + 1), within);
    } finally {
      closeSync(folder);
    }
  }
  if (rootDir === undefined) return asFileUser(user, () => openAt(AT_FDCWD, path, cached));
  using root = new RootFolder(rootDir.name, rootDir.folders, []);
  return openAt(root.descriptor, path, cached | RESOLVE_IN_ROOT | RESOLVE_NO_XDEV);
}

/** The kernel gives up with EAGAIN also where something else changes names or mounts at that moment. */
const maxAttempts = 4;

function openAt(folder: number, path: string, resolve: number, attempts = maxAttempts): number | undefined {
  const opened = tryOpenat2(folder, path, { flags: O_PATH, resolve });
  if (typeof opened === "number") return opened;
  return opened.errno === "EAGAIN" && attempts > 1 ? openAt(folder, path, resolve, attempts - 1) : undefined;
}

function isOnThisHost(file: number): boolean {
  const type = fileSystemOf(file);
  return type !== undefined && !isRemoteType(type);
}

/** Maximum number of files whose digests are remembered. */
const maxKnown = 256;
const known = new Map<string, Promise<string>>();

/** @throws Error if the file cannot be read, or changes meanwhile */
function digestOf(file: number, status: BigIntStats, stateFolder: string): Promise<string> {
  const version = versionOf(status);
  const digest = known.get(version) ?? readDigest(file, status, stateFolder);
  // The oldest entry comes first.
  known.delete(version);
  known.set(version, digest);
  digest.catch(() => known.delete(version));
  for (const oldest of known.keys()) if (known.size > maxKnown) known.delete(oldest);
  return digest;
}

/** Whoever writes to a file changes one of these. */
function versionOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join();
}

const partBytes = 64 * 1024;

async function readDigest(file: number, status: BigIntStats, stateFolder: string): Promise<string> {
  // O_NONBLOCK: the task may hold a lease on the file, fcntl(2).
  await using handle = await open(`/proc/self/fd/${file}`, constants.O_RDONLY | constants.O_NONBLOCK);
  const bytes = Number(status.size);
  const first = await read(handle, 0, Math.min(partBytes, bytes));
  const last = await read(handle, Math.max(first.length, bytes - partBytes), bytes);
  const now = await handle.stat({ bigint: true });
  if (versionOf(now) !== versionOf(status)) throw new Error("the file has changed");
  return keyedDigest(Buffer.concat([first, last]), stateFolder).slice(0, digestDigits);
}

/** Half a SHA-256 is enough to tell versions apart. */
const digestDigits = 32;

async function read(handle: FileHandle, from: number, until: number): Promise<Buffer> {
  const buffer = Buffer.alloc(until - from);
  if (buffer.length === 0) return buffer;
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
  if (bytesRead < buffer.length) throw new Error("the file has changed");
  return buffer;
}
