/** The unix socket that the agent connects to. */
import { once } from "node:events";
import { chmodSync, chownSync, promises as files, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DriverError, errnoOf } from "../base/errors.ts";
import type { SocketOptions } from "./handshake.ts";

export interface Listener {
  readonly server: Server;
  readonly path: string;
}

/**
 * The kernel's limit for a socket's path, in bytes: the size of `sun_path` without the final NUL, unix(7).
 */
const maxPathLength = 107;

/**
 * Listens on a new socket to which only this user and the requested group can
 * connect. The socket's file is removed when the process exits.
 */
export async function listen({ folder = tmpdir(), group }: SocketOptions): Promise<Listener> {
  const path = join(folder, `exec2-${process.pid}-${randomName()}.sock`);
  if (Buffer.byteLength(path) > maxPathLength) {
    throw new DriverError(
      "PLUGIN_FAILED",
      `the socket's path is longer than ${maxPathLength} bytes: ${path}`,
      {
        hint: "Choose a shorter PLUGIN_UNIX_SOCKET_DIR or TMPDIR for the agent",
      },
    );
  }
  const groupId = group === undefined ? undefined : findGroup(group);
  const server = createServer();
  const listening = once(server, "listening");
  // listen() creates the file synchronously with this umask, so another user can never connect.
  const umask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(umask);
  }
  const remove = () => rmSync(path, { force: true });
  process.once("exit", remove);
  // A server removes its socket's file when it closes.
  server.once("close", () => process.off("exit", remove));
  try {
    await listening;
    if (groupId !== undefined) {
      chownSync(path, -1, groupId);
      chmodSync(path, 0o660);
    }
  } catch (thrown) {
    const summary = `the plugin's socket ${path} cannot be created`;
    const hint =
      "Let PLUGIN_UNIX_SOCKET_DIR or else TMPDIR name a folder that exists and that root can write to";
    throw DriverError.from(thrown, "PLUGIN_FAILED", summary, { hint });
  }
  return { server, path };
}

/**
 * Removes the sockets that killed plugins left in a folder: those of root or this user
 * on which no process listens. Rejects if the folder cannot be read.
 */
export async function removeDeadSockets(folder: string): Promise<void> {
  for (const name of await files.readdir(folder)) {
    const pid = /^exec2-(\d+)-[a-z0-9]+\.sock$/.exec(name)?.[1];
    if (pid === undefined) continue;
    const path = join(folder, name);
    // A socket that cannot be checked, or was removed meanwhile, does not prevent the removal of the others.
    if (await isDead(path, Number(pid)).catch(() => false)) await files.rm(path, { force: true });
  }
}

/**
 * Whether a socket is dead: no process listens on it, so the kernel refuses connections. The pid in the
 * socket's name is not enough: another process may have this pid by now, or the pid may be from another pid
 * namespace. A socket that is just being created also refuses connections, so a young socket is kept if its
 * pid exists.
 */
async function isDead(path: string, pid: number): Promise<boolean> {
  const status = await files.lstat(path);
  const ours = status.isSocket() && (status.uid === 0 || status.uid === process.geteuid?.());
  if (!ours || (isAlive(pid) && Date.now() - status.mtimeMs < maxStartMs)) return false;
  const connection = connect(path);
  try {
    await once(connection, "connect");
    return false;
  } catch (thrown) {
    return errnoOf(thrown) === "ECONNREFUSED";
  } finally {
    connection.destroy();
  }
}

/** Milliseconds from bind(2) to listen(2), with a large margin. */
const maxStartMs = 60_000;

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (thrown) {
    return errnoOf(thrown) !== "ESRCH";
  }
}

/**
 * A name that is unlikely to be in use. It need not be secret, because bind(2) refuses a name in use.
 * node:crypto would take 5 ms to load.
 */
function randomName(): string {
  return Math.random().toString(36).slice(2);
}

/** Gid of a group, from its number or its name in group(5). */
function findGroup(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  const lines = readFileSync("/etc/group", "utf8").split("\n");
  const id = lines.map((line) => line.split(":")).find(([name]) => name === group)?.[2];
  if (id !== undefined) return Number(id);
  throw new DriverError("PLUGIN_FAILED", `the host has no group ${group} (PLUGIN_UNIX_SOCKET_GROUP)`, {
    hint: "Give the group's number, or the name of a group in /etc/group",
  });
}
