/**
 * Groups whose members read the host's secrets, or become root. No job gets one of them, not even where jobs may
 * choose their groups. Pure.
 */
import { gidOfName } from "./passwd.ts";

/** What members of a group can do on usual hosts, by the group's name. */
export const secretGroups = {
  root: "reads files of root's group",
  shadow: "reads the host's password hashes",
  disk: "reads and writes the host's disks",
  kmem: "reads the kernel's memory",
  sudo: "becomes root",
  wheel: "becomes root",
  admin: "becomes root",
  staff: "changes programs in /usr/local, which root runs",
  docker: "becomes root through its service",
  podman: "becomes root through its service",
  lxd: "becomes root through its service",
  incus: "becomes root through its service",
  "incus-admin": "becomes root through its service",
  libvirt: "becomes root through its service",
  adm: "reads the host's logs",
  "systemd-journal": "reads the host's journal",
  tty: "writes to the terminals of others",
  utmp: "changes the record of who is logged in",
  "ssl-cert": "reads the host's private keys",
} as const satisfies Readonly<Record<string, string>>;

/**
 * @param groups the text of the host's group database
 * @returns what members of the group can do, with its name; undefined for any other group. Gid 0 is root's, even
 *   if the database does not have it
 */
export function secretOf(gid: number, groups: string): string | undefined {
  // Hardly any task has the gid of a group of the host, and this quick check is enough.
  if (gid !== 0 && !groups.includes(`:${gid}:`)) return undefined;
  const found = Object.entries(secretGroups).find(
    ([name]) => (name === "root" && gid === 0) || gidOfName(groups, name) === gid,
  );
  return found && `it is the host's group ${found[0]}, which ${found[1]}`;
}
