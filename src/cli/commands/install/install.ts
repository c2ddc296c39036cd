/** `install` and `uninstall`: the driver in an agent's plugin folder. */

import { chmodSync, copyFileSync, existsSync, lstatSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isSea } from "node:sea";
import { DriverError } from "../../../base/errors.ts";
import { metadataAddresses } from "../../../effects/egress/egress.ts";
import { panickingVersions } from "../../../fleet/agentVersions.ts";
import { makeFolder, replaceFile } from "../../../store/folder/files.ts";
import { visible } from "../../../units/visible.ts";
import { requireRoot } from "../../requireRoot.ts";
import { isConfirmed } from "../../terminal/confirm.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print, printNote } from "../../terminal/output.ts";
import { type RemovedState, removeState, takeUnusedState } from "./stateRemoval.ts";

const name = "nomad-driver-exec2";

const agentBlock = `plugin "nomad-driver-exec2" {
  config {
    unveil_allowed = ["r:/etc/mime.types", "r:/etc/ssl", "rx:/usr"]
    allowed_users  = []
    egress_denied  = ${JSON.stringify(metadataAddresses).replaceAll(",", ", ")}
  }
}`;

const unknownAgentText = `No agent has told its version. ${panickingVersions}: doctor --agent asks again.`;

export interface InstallOptions {
  readonly pluginDir: string;
  readonly stateDir: string;
  /** Whether the person has already agreed to a new plugin folder. */
  readonly yes: boolean;
}

/**
 * @returns the exit code: 1 if tasks cannot run on this host, or the person wants no new folder
 * @throws DriverError `UNSUPPORTED` if another file has the driver's name, `OUTPUT_FAILED`, `NOT_CONFIRMED`
 */
export async function install({ pluginDir, stateDir, yes }: InstallOptions): Promise<number> {
  requireRoot("the plugin folder belongs to root");
  const { path, isThere } = ownPath(pluginDir, {
    other: "Move it away first",
    "package's link": "Install the newer package instead, or remove the package first",
  });
  const executable = ownExecutable();
  // A path that does not exist is most likely mistyped.
  if (!existsSync(pluginDir) && !(await isConfirmed(`There is no folder ${pluginDir}. Create it?`, yes))) {
    printNote("nothing was installed");
    return 1;
  }
  copyTo(path, executable);
  process.stdout.write(`${isThere ? "replaced" : "installed"} ${path}\n\n`);
  const { diagnose } = await import("../doctor/diagnose.ts");
  const { findAgent } = await import("../doctor/agentFinding.ts");
  // A host may have no agent yet: what a version would need is said below.
  const found = await findAgent(process.env);
  const agent = found.version === undefined ? undefined : found;
  const unfit = await diagnose(stateDir, false, { agent });
  if (agent === undefined) process.stdout.write(`\n${unknownAgentText}\n`);
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
  /** Whether the person has already agreed to the removal of the histories. */
  readonly yes: boolean;
  readonly json: boolean;
}

/**
 * @returns the exit code: 1 if the person does not want it
 * @throws DriverError `UNSUPPORTED` if the file is not this driver
 * @throws DriverError `STATE_DIR_UNMARKED`, `STATE_DIR_IN_USE`, `NOT_CONFIRMED` if the histories cannot be
 *   removed; then nothing is
 */
export async function uninstall(options: UninstallOptions): Promise<number> {
  const { pluginDir, stateDir, histories, dryRun, yes, json } = options;
  requireRoot("the plugin folder belongs to root");
  const { path, isThere } = ownPath(pluginDir, {
    other: "Remove it yourself",
    "package's link": "Remove the package instead: apt remove nomad-driver-exec2",
  });
  using state = histories && existsSync(stateDir) ? takeUnusedState(stateDir) : undefined;
  if (state !== undefined && !dryRun) {
    const question = `Remove the histories of all tasks in ${stateDir}? Nothing can restore them.`;
    if (!(await isConfirmed(question, yes))) {
      printNote("nothing was removed");
      return 1;
    }
  }
  if (isThere && !dryRun) rmSync(path);
  const removed = isThere ? [{ folder: path, whole: true, kept: [] }] : [];
  const all = [...removed, ...(state ? removeState(state, dryRun) : [])];
  for (const each of all) print(json ? removalJson(each, dryRun) : removalText(each, dryRun));
  if (json) return 0;
  if (state?.unmarked !== undefined) print(visible(`${state.unmarked} stays: it has no mark of this driver`));
  if (all.length === 0) print(`nothing to remove: there is no ${path}`);
  if (!histories && existsSync(stateDir)) print(`the histories of tasks stay in ${stateDir}`);
  return 0;
}

function removalText({ folder, whole, kept }: RemovedState, dryRun: boolean): string {
  const removed = `${dryRun ? "would remove" : "removed"} ${whole ? "" : "the histories in "}${folder}`;
  const stays = kept.map((path) => `${path} stays: this driver did not make it`);
  return [removed, ...stays].map(visible).join("\n");
}

function removalJson({ folder, whole, kept }: RemovedState, dryRun: boolean): string {
  return jsonOf("uninstall", { path: folder, removed: whole && !dryRun, kept });
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
