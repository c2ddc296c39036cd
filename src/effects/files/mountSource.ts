/** Finds the host's file, folder or device for a task's mount. */
import { closeSync, fstatSync, readFileSync, readlinkSync, statfsSync } from "node:fs";
import type { PlacedMount } from "../../config/task/taskMounts.ts";
import { isInProc } from "../../config/values/unveil.ts";
import { DriverError } from "../../errors.ts";
import { AT_FDCWD, O_PATH, PROC_SUPER_MAGIC, RESOLVE_NO_MAGICLINKS } from "../kernel/constants.ts";
import { tryOpenat2 } from "../kernel/libc.ts";
import { receivesMounts } from "./mountinfo.ts";

export interface MountSource {
  /** Without symlinks. */
  readonly path: string;
  readonly isFolder: boolean;
}

/**
 * Checks a mount's source. Follows symlinks in it, because the operator or a device plugin has named it.
 * @throws DriverError `MOUNT_SOURCE_MISSING`, recoverable
 * @throws DriverError `MOUNT_SOURCE_INVALID` for a device mount whose source is no device, for a path in the
 *   host's /proc, and for `host-to-task` propagation from a mount that does not propagate
 */
export function findSource(mount: PlacedMount): MountSource {
  const opened = tryOpenat2(AT_FDCWD, mount.source, { flags: O_PATH, resolve: RESOLVE_NO_MAGICLINKS });
  if (typeof opened !== "number") throw missing(mount, opened.errno);
  try {
    const status = fstatSync(opened);
    const path = readlinkSync(`/proc/self/fd/${opened}`);
    if (isInProc(path) || isProc(opened)) {
      throw invalid(mount, "is in the host's /proc", "A task has its own /proc: unveil what it needs there");
    }
    if (mount.kind === "device" && !status.isCharacterDevice() && !status.isBlockDevice()) {
      throw invalid(mount, "is no device", "A device plugin has to name a character or block device");
    }
    if (mount.propagation === "host-to-task") checkPropagation(mount, opened);
    return { path, isFolder: status.isDirectory() };
  } finally {
    closeSync(opened);
  }
}

/** Checks the file system's type, because the host's /proc may be mounted at other paths, too. */
function isProc(descriptor: number): boolean {
  return statfsSync(`/proc/self/fd/${descriptor}`).type === PROC_SUPER_MAGIC;
}

function checkPropagation(mount: PlacedMount, descriptor: number): void {
  const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8");
  const id = Number(/^mnt_id:\s*(\d+)$/m.exec(info)?.[1]);
  if (receivesMounts(readFileSync("/proc/self/mountinfo", "utf8"), id)) return;
  throw invalid(
    mount,
    "lies on a mount of the host that is private, so nothing mounted there later can reach the task",
    "Make that mount shared (mount --make-rshared), or ask for propagation_mode private",
  );
}

function missing({ kind, source, target }: PlacedMount, errno: string): DriverError {
  return new DriverError("MOUNT_SOURCE_MISSING", `the source of the ${kind} at ${target} does not exist`, {
    failed: { call: "openat2", path: source, errno },
    hint: "It has to exist on the host before the task starts",
    recoverable: true,
  });
}

function invalid({ kind, source, target }: PlacedMount, problem: string, hint: string): DriverError {
  return new DriverError(
    "MOUNT_SOURCE_INVALID",
    `${source}, the source of the ${kind} at ${target}, ${problem}`,
    {
      hint,
    },
  );
}
