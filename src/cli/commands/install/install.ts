/** `install` and `uninstall`: the driver in an agent's plugin folder. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { isSea } from "node:sea";
import { DriverError } from "../../../base/errors.ts";
import { makeFolder, replaceFile } from "../../../store/folder/files.ts";
import { pluginOf } from "../../../store/folder/pluginAddress.ts";
import { isRunFolder, stateFolderPaths } from "../../../store/folder/stateFolder.ts";
import { visibleJson } from "../../../units/visible.ts";
import { requireRoot } from "../../requireRoot.ts";

const name = "nomad-driver-exec2";

const agentBlock = `plugin "nomad-driver-exec2" {
  config {
    unveil_by_task = true
  }
}`;

/**
 * @returns the exit code: 1 if tasks cannot run on this host
 * @throws DriverError `UNSUPPORTED` if another file has the driver's name, `OUTPUT_FAILED`
 */
export async function install(pluginDir: string, stateDir: string): Promise<number> {
  requireRoot("the plugin folder belongs to root");
  const { path, isThere } = ownPath(pluginDir, {
    other: "Move it away first",
    "package's link": "Install the newer package instead, or remove the package first",
  });
  const executable = ownExecutable();
  copyTo(path, executable);
  process.stdout.write(`${isThere ? "replaced" : "installed"} ${path}\n\n`);
  const { diagnose } = await import("../doctor/diagnose.ts");
  const unfit = await diagnose(stateDir, false);
  process.stdout.write(
    `\nThe block for the agent's configuration (then restart the agent; tasks keep running):\n\n${agentBlock}\n`,
  );
  return unfit;
}

function copyTo(path: string, executable: string): void {
  try {
    makeFolder(dirname(path), 0o755);
    // A running plugin keeps the file from which it was started.
    replaceFile(path, (unfinished) => {
      copyFileSync(executable, unfinished);
      chmodSync(unfinished, 0o755);
    });
  } catch (thrown) {
    throw DriverError.from(thrown, "OUTPUT_FAILED", `${path} cannot be written`);
  }
}

export interface UninstallOptions {
  readonly pluginDir: string;
  readonly stateDir: string;
  /** Whether the histories are removed, too. */
  readonly histories: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/**
 * @returns the exit code
 * @throws DriverError `UNSUPPORTED` if the file is not this driver
 * @throws DriverError `STATE_DIR_IN_USE` while tasks or a plugin run, if the histories are to be removed
 */
export function uninstall({ pluginDir, stateDir, histories, dryRun, json }: UninstallOptions): number {
  requireRoot("the plugin folder belongs to root");
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

/**
 * The driver's path in a plugin folder, and whether the driver is there.
 * @param hints what to do if another file is there, or the package's link
 * @throws DriverError `UNSUPPORTED` in these cases
 */
function ownPath(
  pluginDir: string,
  hints: Readonly<Record<"other" | "package's link", string>>,
): { readonly path: string; readonly isThere: boolean } {
  const path = join(pluginDir, name);
  const found = kindOf(path);
  if (found === "nothing" || found === "driver") return { path, isThere: found === "driver" };
  const what = found === "other" ? "is not this driver" : "is the link of the Debian package";
  throw new DriverError("UNSUPPORTED", `${path} ${what}; leaving it unchanged`, { hint: hints[found] });
}

/** The path of the running executable. */
function ownExecutable(): string {
  if (isSea()) return "/proc/self/exe";
  throw new DriverError(
    "UNSUPPORTED",
    `${basename(process.execPath)} runs the driver's sources, which cannot be installed`,
    { hint: "Build the executable with `npm run build`, and use that" },
  );
}

/** Finds out what is at a path: nothing, this driver, the package's link to it, or something else. */
function kindOf(path: string): "nothing" | "driver" | "package's link" | "other" {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return "nothing";
  if (status.isSymbolicLink()) return readlinkSync(path) === `/usr/bin/${name}` ? "package's link" : "other";
  return status.isFile() && isDriver(readFileSync(path)) ? "driver" : "other";
}

/** HashiCorp's driver has the same name, but contains none of this driver's scripts. */
function isDriver(executable: Buffer): boolean {
  return executable.includes("scripts/main.js") && executable.includes("caches/main.js");
}
