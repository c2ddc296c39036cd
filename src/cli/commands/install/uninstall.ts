import { existsSync, readdirSync, rmSync } from "node:fs";
import { DriverError } from "../../../errors.ts";
import { pluginOf } from "../../../store/folder/pluginAddress.ts";
import { isRunFolder, stateFolderPaths } from "../../../store/folder/stateFolder.ts";
import { visibleJson } from "../../../units/visible.ts";
import { requireRoot } from "../../requireRoot.ts";
import { ownPath } from "./installedFile.ts";

export interface UninstallRequest {
  readonly pluginDir: string;
  readonly stateDir: string;
  /** Whether the histories are removed, too. */
  readonly histories: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/**
 * @returns the exit code
 * @throws DriverError `UNSUPPORTED` if the file is not this driver, `STATE_DIR_IN_USE` while tasks or a plugin run
 */
export function uninstall({ pluginDir, stateDir, histories, dryRun, json }: UninstallRequest): number {
  requireRoot("the plugin folder is root's");
  const { path, isThere } = ownPath(pluginDir, {
    other: "Remove it yourself",
    "package's link": "Remove the package instead: apt remove nomad-driver-exec2",
  });
  if (histories) requireUnused(stateDir);
  const removed = [...(isThere ? [path] : []), ...(histories && existsSync(stateDir) ? [stateDir] : [])];
  for (const each of removed) {
    if (!dryRun) rmSync(each, { recursive: true });
    const line = json
      ? visibleJson({ path: each, removed: !dryRun })
      : `${dryRun ? "would remove" : "removed"} ${each}`;
    process.stdout.write(`${line}\n`);
  }
  if (json) return 0;
  if (removed.length === 0) process.stdout.write(`nothing to remove: there is no ${path}\n`);
  if (!histories && existsSync(stateDir))
    process.stdout.write(`the histories of tasks stay in ${stateDir}\n`);
  return 0;
}

function requireUnused(stateDir: string): void {
  const { run } = stateFolderPaths(stateDir);
  const hasRuns = existsSync(run) && readdirSync(run).some(isRunFolder);
  if (!hasRuns && pluginOf(stateDir) === undefined) return;
  throw new DriverError("STATE_DIR_IN_USE", `${stateDir} is in use by ${hasRuns ? "tasks" : "a plugin"}`, {
    hint: "Drain the node and stop its agent first, or uninstall without --histories",
  });
}
