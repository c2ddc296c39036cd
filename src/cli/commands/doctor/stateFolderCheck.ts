/** Checks whether the driver can keep its event log in the configured folder. Changes nothing. */
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { HostProblem } from "../../../effects/host/hostHealth.ts";
import { DriverError, withCall } from "../../../errors.ts";
import { quarantinedLogs } from "../../../store/folder/quarantine.ts";
import { checkStateFolder, stateFolderPaths } from "../../../store/folder/stateFolder.ts";
import { requireRoom } from "../../../store/lmdb/lmdbFile.ts";

export interface StateFolderFinding {
  readonly found: string;
  readonly problem: HostProblem | undefined;
  /** Damaged event logs in the folder, which the driver has renamed. */
  readonly quarantined: readonly string[];
}

/** Makes the same checks as the driver does before it uses the folder. */
export function inspectStateFolder(path: string): StateFolderFinding {
  const folder = resolve(path);
  const exists = existsSync(folder);
  try {
    checkStateFolder(folder);
    requireRoom(exists ? folder : dirname(folder), 0);
    return {
      found: exists ? folder : `${folder}, to be made`,
      problem: undefined,
      quarantined: exists ? quarantinedLogs(stateFolderPaths(folder).events) : [],
    };
  } catch (thrown) {
    return { found: folder, problem: problemOf(thrown), quarantined: [] };
  }
}

function problemOf(thrown: unknown): HostProblem {
  const error = DriverError.from(thrown, "STATE_DIR_UNUSABLE", "the state folder cannot be used");
  return {
    what: withCall(error.summary, error.failed),
    consequence: "the driver cannot keep its event log, and starts no tasks",
    remedy: error.hint ?? "Choose another folder with the plugin option state_dir",
  };
}
