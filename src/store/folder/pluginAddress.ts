/** Finds a running plugin by its state folder: it holds the folder's lock and publishes its socket there. */
import { existsSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { DriverError, errnoOf } from "../../errors.ts";
import { stateFolderPaths } from "./stateFolder.ts";

/** Publishes the socket's path. For the plugin that owns the folder. */
export function publishAddress(folder: string, socketPath: string): void {
  const link = addressLink(folder);
  try {
    rmSync(link, { force: true });
    symlinkSync(socketPath, link);
  } catch (thrown) {
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", "the plugin's address cannot be kept");
  }
}

/**
 * The plugin that owns a state folder, found among the kernel's locks
 * (proc_locks(5)). The lock file itself may name a plugin that has died. Trying
 * to take the lock would keep out a plugin that starts at the same moment.
 * @returns its pid; undefined if no process holds the lock
 */
export function pluginOf(folder: string): number | undefined {
  const lock = statSync(stateFolderPaths(folder).lock, { throwIfNoEntry: false });
  if (lock === undefined) return undefined;
  for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
    const [, pid, inode] = / FLOCK .* (\d+) [0-9a-f]+:[0-9a-f]+:(\d+) /.exec(line) ?? [];
    if (Number(inode) === lock.ino) return Number(pid);
  }
  return undefined;
}

/**
 * The socket of the plugin that owns a state folder, as a path that works for this
 * process: the plugin may have another /tmp.
 * @throws DriverError `PLUGIN_FAILED` if no plugin runs there
 */
export function addressOf(folder: string): string {
  try {
    const pid = pluginOf(folder);
    const path = pid === undefined ? undefined : `/proc/${pid}/root${readlinkSync(addressLink(folder))}`;
    if (path !== undefined && existsSync(path)) return path;
  } catch (thrown) {
    if (errnoOf(thrown) !== "ENOENT") {
      throw DriverError.from(thrown, "PLUGIN_FAILED", "the plugin's address cannot be read");
    }
  }
  throw new DriverError("PLUGIN_FAILED", `no plugin runs with the state folder ${folder}`, {
    hint: "Start the Nomad agent, or name the state_dir of its driver with --state-dir",
  });
}

function addressLink(folder: string): string {
  return join(folder, "plugin.sock");
}
