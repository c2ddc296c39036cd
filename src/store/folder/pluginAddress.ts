/**
 * Finds a running plugin by its state folder: the plugin holds the folder's lock, and publishes its socket
 * there.
 */
import {
  type BigIntStats,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { DriverError, errnoOf, hasErrno } from "../../base/errors.ts";
import { O_PATH } from "../../effects/kernel/constants.ts";
import { listenerOf } from "../../effects/kernel/sockets.ts";
import { isLocal, stateFolderPaths } from "./stateFolder.ts";

/** Publishes the socket's path. Only the plugin that owns the folder may call this. */
export function publishAddress(folder: string, socketPath: string): void {
  const link = addressLink(folder);
  try {
    rmSync(link, { force: true });
    symlinkSync(socketPath, link);
  } catch (thrown) {
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", "the plugin's address cannot be published");
  }
}

/**
 * The plugin that owns a state folder, found among the kernel's locks (proc_locks(5)). The pid in the lock
 * file may be that of a plugin that has died. Taking the lock for a moment, as a test, could make the start
 * of another plugin fail.
 * @returns the plugin's pid; undefined if no process holds the lock
 */
export function pluginOf(folder: string): number | undefined {
  const lock = statSync(stateFolderPaths(folder).lock, { throwIfNoEntry: false, bigint: true });
  if (lock === undefined) return undefined;
  for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
    const [, pid, inode] = / FLOCK .* (\d+) [0-9a-f]+:[0-9a-f]+:(\d+) /.exec(line) ?? [];
    if (inode === String(lock.ino) && hasOpen(Number(pid), lock)) return Number(pid);
  }
  return undefined;
}

/**
 * Whether a process has a file open. The kernel's list of locks does not identify a file for certain: on
 * btrfs and overlayfs its device numbers differ from those of stat(2).
 */
function hasOpen(pid: number, { dev, ino }: BigIntStats): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
      const open = statSync(`/proc/${pid}/fd/${descriptor}`, { throwIfNoEntry: false, bigint: true });
      return open?.dev === dev && open.ino === ino;
    });
  } catch (thrown) {
    // The process has exited.
    if (errnoOf(thrown) === "ENOENT" || errnoOf(thrown) === "ESRCH") return false;
    throw thrown;
  }
}

/**
 * The path of the socket of the plugin that owns a state folder. The path works for this process even if the
 * plugin has another /tmp. Callers that send secrets use {@link openPluginSocket} instead, which checks who
 * listens.
 * @throws DriverError `PLUGIN_FAILED` if no plugin runs there
 */
export function addressOf(folder: string): string {
  try {
    const pid = pluginOf(folder);
    if (pid !== undefined) return addressIn(pid, folder);
  } catch (thrown) {
    if (!hasErrno(thrown, "ENOENT")) {
      throw DriverError.from(thrown, "PLUGIN_FAILED", "the plugin's address cannot be read");
    }
  }
  throw noPlugin(folder);
}

/** A running plugin's socket. */
export interface PluginSocket {
  /**
   * A path in this process's /proc. It leads to the socket itself, even if another file has taken over the
   * socket's path.
   */
  readonly path: string;
  /** To be called once no further connection is needed. */
  close(): void;
}

/**
 * Opens the plugin's socket, after a check that the plugin itself listens there as root. A task could have a
 * socket at the same path, in its own /tmp or in the host's. The check opens a connection and closes it.
 * @throws DriverError `PLUGIN_FAILED` if no plugin runs there, or somebody else listens
 */
export function openPluginSocket(folder: string): PluginSocket {
  const pid = pluginOf(folder);
  if (pid === undefined) throw noPlugin(folder);
  using opened = new DisposableStack();
  try {
    const descriptor = opened.adopt(openSync(addressIn(pid, folder), O_PATH), closeSync);
    const path = `/proc/self/fd/${descriptor}`;
    const listener = listenerOf(path);
    // Checked again: if the plugin has exited, another process may have its pid.
    if (listener.uid === 0 && listener.pid === pid && pluginOf(folder) === pid) {
      const socket = opened.move();
      return { path, close: () => socket.dispose() };
    }
    const summary = `process ${listener.pid} of user ${listener.uid} listens in place of the plugin with the state folder ${folder}`;
    throw new DriverError("PLUGIN_FAILED", summary, {
      hint: "Do not trust that process: find out who started it, and restart the Nomad agent",
    });
  } catch (thrown) {
    if (hasErrno(thrown, "ENOENT") || hasErrno(thrown, "ECONNREFUSED")) throw noPlugin(folder);
    throw DriverError.from(thrown, "PLUGIN_FAILED", "the plugin's socket cannot be opened");
  }
}

function addressIn(pid: number, folder: string): string {
  return `/proc/${pid}/root${readlinkSync(addressLink(folder))}`;
}

function noPlugin(folder: string): DriverError {
  return new DriverError("PLUGIN_FAILED", `no plugin runs with the state folder ${folder}`, {
    hint: isLocal(folder)
      ? "The run was killed. To end its tasks: nomad-driver-exec2 clean"
      : "Start the Nomad agent, or name the state_dir of its driver with --state-dir",
  });
}

function addressLink(folder: string): string {
  return join(folder, "plugin.sock");
}
