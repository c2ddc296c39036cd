/** The unix socket that the agent connects to. */
import { once } from "node:events";
import { chmodSync, chownSync, promises as files, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DriverError, errnoOf } from "../errors.ts";
import type { SocketWishes } from "./handshake.ts";

export interface Listener {
  readonly server: Server;
  readonly path: string;
}

/** Longest path that the kernel takes; unix(7), sockaddr_un without the final NUL. */
const maxPathLength = 107;

/**
 * Listens on a new socket that only this user, and the group wished for, can
 * connect to. The socket's file goes when the process exits.
 */
export async function listen({ folder = tmpdir(), group }: SocketWishes): Promise<Listener> {
  const path = join(folder, `exec2-${process.pid}-${anyName()}.sock`);
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
  // The file is made in listen() itself: at no time can another user connect.
  const umask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(umask);
  }
  process.once("exit", () => rmSync(path, { force: true }));
  try {
    await listening;
    if (groupId !== undefined) {
      chownSync(path, -1, groupId);
      chmodSync(path, 0o660);
    }
  } catch (thrown) {
    throw DriverError.from(thrown, "PLUGIN_FAILED", `the plugin's socket ${path} cannot be made`);
  }
  return { server, path };
}

/**
 * Removes the sockets that plugins left in a folder when they were killed: those of
 * root or this user that nobody listens on. Rejects where the folder cannot be read.
 */
export async function removeDeadSockets(folder: string): Promise<void> {
  for (const name of await files.readdir(folder)) {
    const pid = /^exec2-(\d+)-[a-z0-9]+\.sock$/.exec(name)?.[1];
    if (pid === undefined) continue;
    const path = join(folder, name);
    // One that cannot be looked at, or is gone by now, keeps no other from being removed.
    if (await isDead(path, Number(pid)).catch(() => false)) await files.rm(path, { force: true });
  }
}

/**
 * The kernel's word is what counts: the pid in the name may be another process's by
 * now, or of another pid namespace. But a socket that is just being made refuses, too.
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

/** Between bind(2) and listen(2), with much to spare. */
const maxStartMs = 60_000;

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (thrown) {
    return errnoOf(thrown) !== "ESRCH";
  }
}

/** Not secret, only unlikely to be taken: bind(2) refuses a name that is. And node:crypto takes 5 ms to load. */
function anyName(): string {
  return Math.random().toString(36).slice(2);
}

/** A group by number or by its name in group(5). */
function findGroup(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  const lines = readFileSync("/etc/group", "utf8").split("\n");
  const id = lines.map((line) => line.split(":")).find(([name]) => name === group)?.[2];
  if (id !== undefined) return Number(id);
  throw new DriverError("PLUGIN_FAILED", `the host has no group ${group} (PLUGIN_UNIX_SOCKET_GROUP)`, {
    hint: "Give its number, or the name of a group of /etc/group",
  });
}
