import { chmodSync, copyFileSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DriverError } from "../../../errors.ts";
import { makeFolder } from "../../../store/folder/makeFolder.ts";
import { requireRoot } from "../../requireRoot.ts";
import { diagnose } from "../doctor/diagnose.ts";
import { ownExecutable, ownPath } from "./installedFile.ts";

const agentBlock = `plugin "nomad-driver-exec2" {
  config {
    unveil_by_task = true
  }
}`;

/**
 * @returns the exit code: 1 if tasks cannot run on this host
 * @throws DriverError `UNSUPPORTED` if the place is taken by another file, `OUTPUT_FAILED`
 */
export async function install(pluginDir: string, stateDir: string): Promise<number> {
  requireRoot("the plugin folder is root's");
  const { path, isThere } = ownPath(pluginDir, {
    other: "Move it away first",
    "package's link": "Install the newer package instead, or remove the package first",
  });
  const executable = ownExecutable();
  copyTo(path, executable);
  process.stdout.write(`${isThere ? "replaced" : "installed"} ${path}\n\n`);
  const unfit = await diagnose(stateDir, false);
  process.stdout.write(
    `\nThe block for the agent's configuration (then restart the agent; tasks keep running):\n\n${agentBlock}\n`,
  );
  return unfit;
}

function copyTo(path: string, executable: string): void {
  const unfinished = `${path}.${process.pid}`;
  try {
    makeFolder(dirname(path), 0o755);
    copyFileSync(executable, unfinished);
    chmodSync(unfinished, 0o755);
    // A running plugin keeps the file from which it was started.
    renameSync(unfinished, path);
  } catch (thrown) {
    rmSync(unfinished, { force: true });
    throw DriverError.from(thrown, "OUTPUT_FAILED", `${path} cannot be written`);
  }
}
