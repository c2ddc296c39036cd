/** `clean`: removes what killed runs left behind. */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { DriverError } from "../../../base/errors.ts";
import type { LocalScope } from "../../../localAgent/allocation/cgroupScope.ts";
import { findLeftovers, type Leftover } from "../../../localAgent/work/leftovers.ts";
import { removeLeftover } from "../../../localAgent/work/removeLeftover.ts";
import { workParent } from "../../../localAgent/work/workFolder.ts";
import { visible } from "../../../units/visible.ts";
import { requireRoot } from "../../requireRoot.ts";
import { leftoverName, leftoverParts } from "../../tasks/leftoverText.ts";
import { printError } from "../../terminal/errors.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print, printNote } from "../../terminal/output.ts";

export interface CleanOptions {
  /** Only lists what would be removed. */
  readonly dryRun: boolean;
  readonly json: boolean;
}

/**
 * @param folders work folders of the runs to look at; empty means all
 * @returns the exit code: 1 if something could not be removed
 */
export async function clean(folders: readonly string[], { dryRun, json }: CleanOptions): Promise<number> {
  requireRoot("only root can end the tasks of others");
  const works = folders.map((folder) => resolve(folder));
  const { leftovers, unproven } = findLeftovers(workParent);
  const found = leftovers.filter(
    ({ work, owner }) => works.length === 0 || works.includes(work ?? owner?.work ?? ""),
  );
  // An existing folder without leftovers belongs to a living run, or to no run.
  for (const work of works.filter((each) => existsSync(each) && !found.some((one) => one.work === each)))
    throw new DriverError("RUN_FOLDER_UNUSABLE", `${work} is not the folder of a killed run`, {
      hint: "To list what killed runs left: nomad-driver-exec2 clean --dry-run",
    });
  let failed = false;
  const onError = (thrown: unknown) => {
    failed = true;
    printError(thrown);
  };
  for (const leftover of found) {
    if (!dryRun && !(await remove(leftover, onError))) continue;
    print(json ? leftoverJson(leftover) : leftoverLine(leftover, dryRun ? "would remove" : "removed"));
  }
  if (works.length === 0) for (const scope of unproven) printNote(unprovenLine(scope));
  if (found.length === 0 && !json) print("Nothing to clean.");
  return failed ? 1 : 0;
}

async function remove(leftover: Leftover, onError: (thrown: unknown) => void): Promise<boolean> {
  try {
    return await removeLeftover(leftover, onError);
  } catch (thrown) {
    onError(thrown);
    return false;
  }
}

function leftoverLine(leftover: Leftover, verb: string): string {
  return visible(`${leftoverName(leftover, Date.now())}: ${verb} ${leftoverParts(leftover)}`);
}

/** Such a cgroup is of an earlier version's run, or of a run that was killed while it made the cgroup. */
function unprovenLine({ task, path }: LocalScope): string {
  return `left alone: task ${task} in ${path}, because nothing proves that its run has ended. If you know that it has: echo 1 > ${path}/cgroup.kill`;
}

function leftoverJson({ work, owner, scopes }: Leftover): string {
  const { job, pid, begunAt } = owner ?? {};
  const tasks = scopes.map(({ allocId: allocation, task }) => ({ allocation, task }));
  return jsonOf("clean", {
    folder: work ?? null,
    job: job ?? null,
    pid: pid ?? null,
    begunAt: begunAt ?? null,
    tasks,
  });
}
