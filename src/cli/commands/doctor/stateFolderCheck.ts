/** Checks whether the driver can keep its event log in the configured folder. Changes nothing. */
import { accessSync, constants, type Stats, statfsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { HostProblem } from "../../../effects/host/hostHealth.ts";
import { errnoOf, messageOf } from "../../../errors.ts";
import { quarantinedLogs } from "../../../store/folder/quarantine.ts";
import { stateFolderPaths } from "../../../store/folder/stateFolder.ts";

export interface StateFolderFinding {
  readonly found: string;
  readonly problem: HostProblem | undefined;
  /** Damaged event logs in the folder that the driver has set aside. */
  readonly quarantined: readonly string[];
}

/** Disk space for the first events. */
const minFreeBytes = 16 * 1024 * 1024;

export function checkStateFolder(path: string): StateFolderFinding {
  const folder = resolve(path);
  try {
    const nearest = nearestExisting(folder);
    const exists = nearest.path === folder;
    const problem = problemOf(folder, nearest);
    const quarantined = exists && !problem ? quarantinedLogs(stateFolderPaths(folder).events) : [];
    return { found: exists ? folder : `${folder}, to be made`, problem, quarantined };
  } catch (thrown) {
    return { found: folder, problem: unusable(folder, messageOf(thrown)), quarantined: [] };
  }
}

interface Existing {
  readonly path: string;
  readonly status: Stats;
}

function nearestExisting(path: string): Existing {
  const status = statSync(path, { throwIfNoEntry: false });
  return status ? { path, status } : nearestExisting(dirname(path));
}

function problemOf(folder: string, { path, status }: Existing): HostProblem | undefined {
  if (!status.isDirectory()) return unusable(folder, `${path} is no folder`);
  if (!isWritable(path)) return unusable(folder, `${path} cannot be written to`);
  const { bavail, bsize } = statfsSync(path);
  if (bavail * bsize < minFreeBytes) return unusable(folder, `the file system of ${path} is full`);
  if (path === folder && (status.mode & 0o022) !== 0)
    return unusable(folder, "others than its owner may write to it");
  return undefined;
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
    return false;
  }
}

function unusable(folder: string, why: string): HostProblem {
  return {
    what: `the state folder ${folder} cannot be used: ${why}`,
    consequence: "the driver cannot keep its event log, and starts no task",
    remedy: "Choose another folder with the plugin option state_dir, or put this one right",
  };
}
