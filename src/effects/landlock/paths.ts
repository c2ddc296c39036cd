/**
 * Resolves the path of a rule. Most paths are on the host, and the plugin adds their
 * rules. Two kinds of paths can only be resolved by the task's own processes:
 *
 * - paths in /proc, because a task has its own proc file system, and a rule on the
 *   host's would not apply to it;
 * - paths through a magic link, such as /dev/stdout (proc_pid_fd(5)): here it would
 *   lead to the plugin's own output.
 */
import { closeSync, fstatSync, readlinkSync, type Stats, statSync } from "node:fs";
import { relative } from "node:path";
import { isAtOrBelow } from "../../config/options/unveil.ts";
import type { UnveilRule } from "../../config/task/unveilRules.ts";
import { DriverError } from "../../errors.ts";
import { AT_FDCWD, O_PATH, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS } from "../kernel/constants.ts";
import { kernelError } from "../kernel/kernelError.ts";
import { tryOpenat2 } from "../kernel/libc.ts";
import type { PathKind } from "./access.ts";

export type Found =
  /** The descriptor (`O_PATH`) is for the caller to close. */
  | { readonly at: "host"; readonly descriptor: number; readonly kind: PathKind }
  /** `perProcess`: the path means something else for every process. */
  | { readonly at: "proc"; readonly perProcess: boolean; readonly kind: PathKind }
  | { readonly at: "magicLink" }
  | { readonly at: "nowhere"; readonly errno: string };

/**
 * Looks a path up, following symlinks.
 * @throws DriverError `UNVEIL_PATH_UNSAFE` for a path that leads out of `rule.beneath`
 * @throws DriverError `KERNEL_CALL_FAILED` if the look-up itself fails, for example without free descriptors
 */
export function find(rule: Pick<UnveilRule, "path" | "beneath">): Found {
  const opened = open(rule);
  if (typeof opened === "number") return classify(opened);
  const { errno } = opened;
  if (errno === "ELOOP") return { at: "magicLink" };
  if (errno === "EXDEV") throw leadsOut(rule);
  if (ABSENT.has(errno)) return { at: "nowhere", errno };
  throw kernelError("openat2", errno, rule.path);
}

/** The kind of a descriptor's file. */
export function kindOf(status: Stats): PathKind {
  return status.isDirectory() ? "folder" : "file";
}

/** EACCES: network and FUSE file systems may refuse root. */
const ABSENT: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ENAMETOOLONG", "EACCES"]);

function open({ path, beneath }: Pick<UnveilRule, "path" | "beneath">): number | { readonly errno: string } {
  if (beneath === undefined) {
    return tryOpenat2(AT_FDCWD, path, { flags: O_PATH, resolve: RESOLVE_NO_MAGICLINKS });
  }
  const folder = tryOpenat2(AT_FDCWD, beneath, { flags: O_PATH, resolve: RESOLVE_NO_MAGICLINKS });
  if (typeof folder !== "number") return folder;
  try {
    const resolve = RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH;
    return tryOpenat2(folder, relative(beneath, path), { flags: O_PATH, resolve });
  } finally {
    closeSync(folder);
  }
}

function classify(descriptor: number): Found {
  const status = fstatSync(descriptor);
  const kind = kindOf(status);
  if (status.dev !== procDevice()) return { at: "host", descriptor, kind };
  try {
    // procfs names its entries, and `self` and links through it have led to this process's folder.
    const path = readlinkSync(`/proc/self/fd/${descriptor}`);
    return { at: "proc", perProcess: isAtOrBelow(path, `/proc/${process.pid}`), kind };
  } finally {
    closeSync(descriptor);
  }
}

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
      hint: "Look who made the symlink, and unveil the path that it should lead to",
    },
  );
}
