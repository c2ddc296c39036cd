/** `clean`: removes what killed runs left behind. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { DriverError } from "../../../base/errors.ts";
import { findLeftovers, type Leftover } from "../../../localAgent/work/leftovers.ts";
import { removeLeftover } from "../../../localAgent/work/removeLeftover.ts";
import { visible, visibleJson } from "../../../units/visible.ts";
import { requireRoot } from "../../requireRoot.ts";
import { leftoverName, leftoverParts } from "../../tasks/leftoverText.ts";
import { printError } from "../../terminal/errors.ts";
import { print } from "../../terminal/output.ts";

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
  const found = findLeftovers().filter(({ work }) => works.length === 0 || works.includes(work ?? ""));
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

function leftoverJson({ work, record, scopes }: Leftover): string {
  const { job, pid, begunAt } = record ?? {};
  const tasks = scopes.map(({ allocId: allocation, task }) => ({ allocation, task }));
  return visibleJson({
    folder: work ?? null,
    job: job ?? null,
    pid: pid ?? null,
    begunAt: begunAt ?? null,
    tasks,
  });
}
