/** How a plugin that runs is found: its state folder, which is root's alone, tells where it listens. */
import { existsSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { DriverError, errnoOf } from "../errors.ts";
import { stateFolderPaths } from "./stateFolder.ts";

/** Tells it; for the plugin that owns the folder. */
export function tellAddress(folder: string, socketPath: string): void {
  const link = linkIn(folder);
  try {
    rmSync(link, { force: true });
    symlinkSync(socketPath, link);
  } catch (thrown) {
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", "the plugin's address cannot be kept");
  }
}

/**
 * The socket of the plugin that owns a state folder, as this process can reach it:
 * the plugin's /tmp may be another one.
 * @throws DriverError `PLUGIN_FAILED` where no plugin runs there
 */
export function addressOf(folder: string): string {
  try {
    const pid = readFileSync(stateFolderPaths(folder).lock, "utf8").trim();
    const path = `/proc/${pid}/root${readlinkSync(linkIn(folder))}`;
    if (existsSync(path)) return path;
  } catch (thrown) {
    if (errnoOf(thrown) !== "ENOENT") {
      throw DriverError.from(thrown, "PLUGIN_FAILED", "the plugin's address cannot be read");
    }
  }
  throw new DriverError("PLUGIN_FAILED", `no plugin runs with the state folder ${folder}`, {
    hint: "Start the Nomad agent, or name the state_dir of its driver with --state-dir",
  });
}

function linkIn(folder: string): string {
  return join(folder, "plugin.sock");
}
