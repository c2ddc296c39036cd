/**
 * Resolves the path of a rule. Most paths are on the host, and the plugin adds their rules. Two kinds of
 * paths can only be resolved by the task's own processes:
 *
 * - paths in /proc, because a task has its own proc file system, to which a rule on the host's would not
 *   apply;
 * - the task's standard streams, such as /dev/stdout: in the plugin, /dev/stdout is the plugin's own output.
 *
 * Other magic links (proc_pid_fd(5)) are refused, because they lead to open files of whichever process
 * resolves them.
 */
import { closeSync, fstatSync, readlinkSync, realpathSync, type Stats, statfsSync, statSync } from "node:fs";
import { basename, dirname, relative, resolve } from "node:path";
import { DriverError } from "../../base/errors.ts";
import {
  AT_FDCWD,
  O_PATH,
  PROC_SUPER_MAGIC,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "../kernel/constants.ts";
import { kernelError } from "../kernel/kernelError.ts";
import { tryOpenat2 } from "../kernel/libc.ts";

import { hostMounts } from "../paths/hostMounts.ts";
import { identityOf } from "../paths/hostPaths.ts";
import { isAtOrBelow, isInProc } from "../paths/paths.ts";
import { isConfigured, type UnveilRule } from "./unveilRules.ts";

/**
 * A rule on a folder covers everything below it. The kind `device` is for the devices of device plugins.
 * Other devices, such as /dev/null, are of the kind `file`.
 */
export type PathKind = "file" | "folder" | "device";

export type Found =
  | {
      readonly at: "host";
      /** An `O_PATH` descriptor, which the caller closes. */
      readonly descriptor: number;
      readonly kind: PathKind;
      /** The file's identity: see {@link identityOf}. */
      readonly identity: string;
    }
  | FoundInProc
  | { readonly at: "stream"; readonly stream: StandardStream }
  | { readonly at: "nowhere"; readonly errno: string };

export interface FoundInProc {
  readonly at: "proc";
  /** The path without symlinks other than `self` and `thread-self`. */
  readonly path: string;
  /** Whether the path leads to a different file for each process. */
  readonly perProcess: boolean;
  readonly kind: PathKind;
}

/** Input, output and error output. */
export type StandardStream = 0 | 1 | 2;

/**
 * Looks a path up, following symlinks.
 * @throws DriverError `UNVEIL_PATH_UNSAFE` for a path that leads out of `rule.beneath`, through a magic link
 *   to anything but a standard stream, or to another mount of /proc
 * @throws DriverError `KERNEL_CALL_FAILED` if the lookup itself fails, for example for lack of descriptors
 */
export function findPath(rule: UnveilRule): Found {
  return foundAt(openRule(rule), rule);
}

/**
 * What is at a rule's path.
 * @param opened as {@link openRule} returns it; closed unless it becomes the result's descriptor
 * @throws as {@link findPath}
 */
export function foundAt(opened: Opened, rule: UnveilRule): Found {
  if (typeof opened === "number") return classify(opened, rule);
  const { errno } = opened;
  if (errno === "ELOOP" && rule.withoutLinks) throw leadsOut(rule);
  if (errno === "ELOOP") return streamAt(rule);
  if (errno === "EXDEV") throw leadsOut(rule);
  if (ABSENT.has(errno)) return { at: "nowhere", errno };
  throw kernelError("openat2", errno, rule.path);
}

/** An `O_PATH` descriptor, or why there is none. */
export type Opened = number | { readonly errno: string };

/** The kind of a descriptor's file. */
export function kindOf(status: Stats): PathKind {
  return status.isDirectory() ? "folder" : "file";
}

/**
 * Errors of a path that counts as absent. `EACCES` is among them, because network and FUSE file systems may
 * refuse root.
 */
const ABSENT: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ENAMETOOLONG", "EACCES"]);

/** Opens a rule's path, without a look at what it is. Makes only system calls of this thread. */
export function openRule({
  path,
  beneath,
  withoutLinks,
}: Pick<UnveilRule, "path" | "beneath" | "withoutLinks">): Opened {
  if (beneath === undefined) {
    return tryOpenat2(AT_FDCWD, path, { flags: O_PATH, resolve: RESOLVE_NO_MAGICLINKS });
  }
  const folder = tryOpenat2(AT_FDCWD, beneath, { flags: O_PATH, resolve: RESOLVE_NO_MAGICLINKS });
  if (typeof folder !== "number") return folder;
  try {
    const links = withoutLinks ? RESOLVE_NO_SYMLINKS : RESOLVE_NO_MAGICLINKS;
    return tryOpenat2(folder, relative(beneath, path) || ".", {
      flags: O_PATH,
      resolve: links | RESOLVE_BENEATH,
    });
  } finally {
    closeSync(folder);
  }
}

function classify(descriptor: number, rule: UnveilRule): Found {
  const status = fstatSync(descriptor);
  const kind = kindOf(status);
  const isProc = status.dev === procDevice();
  if (!isProc && !isOtherProc(descriptor, rule) && procBelow(descriptor, kind, rule) === undefined)
    return { at: "host", descriptor, kind, identity: identityOf(status) };
  try {
    const path = procBelow(descriptor, kind, rule) ?? readlinkSync(`/proc/self/fd/${descriptor}`);
    if (!isProc || !isInProc(path)) throw otherProc(rule, path);
    // procfs reports this path, so a link through `self` has become a path in this process's folder.
    const own = ownEntry(path);
    return { at: "proc", path: own ?? path, perProcess: own !== undefined, kind };
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Rewrites a path in this process's folder of /proc to a path through `/proc/self` or `/proc/thread-self`,
 * which lead every process to its own folder. Undefined for other paths.
 */
function ownEntry(path: string): string | undefined {
  const self = `/proc/${process.pid}`;
  const thread = `${self}/task/${process.pid}`;
  if (isAtOrBelow(path, thread)) return `/proc/thread-self${path.slice(thread.length)}`;
  return isAtOrBelow(path, self) ? `/proc/self${path.slice(self.length)}` : undefined;
}

/**
 * Whether the file is in a proc file system other than the host's /proc. The default paths are not checked,
 * because no host has a proc file system there.
 */
function isOtherProc(descriptor: number, rule: UnveilRule): boolean {
  return isConfigured(rule) && statfsSync(`/proc/self/fd/${descriptor}`).type === PROC_SUPER_MAGIC;
}

/**
 * Follows symlinks to a standard stream. Reads them one by one, because the kernel would follow a magic link,
 * too.
 */
function streamAt(rule: Pick<UnveilRule, "path">): Found {
  const stream = /^\/proc\/(?:self|thread-self)\/fd\/([0-2])$/;
  let { path } = rule;
  try {
    for (let links = 0; links < maxLinks; links++) {
      const number = stream.exec(path)?.[1];
      if (number !== undefined) return { at: "stream", stream: Number(number) as StandardStream };
      const folder = realpathSync.native(dirname(path));
      const real = `${ownEntry(folder) ?? folder}/${basename(path)}`;
      path = stream.test(real) ? real : resolve(folder, readlinkSync(path));
    }
  } catch {
    // The name is not a symlink, so the magic link is among the folders of the path.
  }
  throw new DriverError(
    "UNVEIL_PATH_UNSAFE",
    `The unveiled path ${rule.path} leads through a link to an open file of a process`,
    {
      failed: { call: "openat2", path: rule.path, errno: "ELOOP" },
      hint: "Only links to a task's standard streams are followed: unveil the file itself",
    },
  );
}

/** The kernel's limit: path_resolution(7). */
const maxLinks = 40;

let knownProcDevice: number | undefined;

/** The device number of the host's /proc, which stays mounted as long as the host runs. */
function procDevice(): number {
  knownProcDevice ??= statSync("/proc").dev;
  return knownProcDevice;
}

function leadsOut({ path, beneath }: Pick<UnveilRule, "path" | "beneath">): DriverError {
  return new DriverError(
    "UNVEIL_PATH_UNSAFE",
    `The unveiled path ${path} leads out of ${beneath}, where tasks may create links`,
    {
      failed: { call: "openat2", path, errno: "EXDEV" },
      hint: "Find out who made the symlink, and unveil the path that it should lead to",
    },
  );
}

/**
 * Finds another proc file system that is mounted below a folder, because the folder's rule would allow it,
 * too. Only paths that a job unveils are checked: an operator may unveil such a folder.
 * @returns the path where it is mounted
 */
function procBelow(descriptor: number, kind: PathKind, { sources }: UnveilRule): string | undefined {
  if (kind !== "folder" || !sources.includes("task")) return undefined;
  const folder = readlinkSync(`/proc/self/fd/${descriptor}`);
  const below = hostMounts().table().atOrBelow(folder);
  return below.find(({ type, point }) => type === "proc" && !isInProc(point))?.point;
}

function otherProc({ path }: Pick<UnveilRule, "path">, found: string): DriverError {
  return new DriverError(
    "UNVEIL_PATH_UNSAFE",
    `The unveiled path ${path} leads to a /proc that is not the task's`,
    {
      failed: { call: "statfs", path: found, errno: "EXDEV" },
      hint: "Unveil the path below /proc: a task has a /proc of its own there, or the host's with pid_mode",
    },
  );
}

/**
 * The error for a path of the options that does not exist.
 * @param asUser whether it was looked up as the task's user, who may not see all that exists
 */
export function missingPath({ path, sources }: UnveilRule, errno: string, asUser = false): DriverError {
  const owner = sources.includes("plugin") ? "plugin" : "task";
  const what = `path ${path}, which the ${owner}'s config unveils`;
  const enter = asUser ? ", let this user enter the folders on the way to it" : "";
  return new DriverError(
    "UNVEIL_PATH_MISSING",
    asUser ? `The task's user finds nothing at the ${what}` : `The ${what}, does not exist`,
    {
      failed: { call: "openat2", path, errno },
      hint: `Create it before the task starts${enter}, or remove the entry`,
      recoverable: true,
    },
  );
}
