/** A task's own files in /etc: hosts(5), passwd(5) and group(5). Pure. */

import { type HostEntry, parseHostEntry } from "./hostNames.ts";

export interface TaskDns {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** The names that a task's hosts file gets. */
export interface HostNames {
  /** Names and addresses of the allocation's network. */
  readonly network: { readonly mode: "host" | "group" | "none"; readonly self: HostEntry | undefined };
  readonly options: { readonly extraHosts: readonly string[] };
}

/** Whether a task gets its own hosts file. */
export function hasOwnHosts({ network, options }: HostNames): boolean {
  return network.self !== undefined || options.extraHosts.length > 0;
}

/**
 * The text of a task's hosts file.
 * @param hostFile reads the host's file; called only for a task in the host's network
 */
export function hostsFile({ network, options }: HostNames, hostFile: () => string): string {
  const common = network.mode === "host" ? hostFile() : OWN_NETWORK;
  const own = network.self === undefined ? [] : [{ ...network.self, address: network.self.address || LOCAL }];
  const entries = [...own, ...options.extraHosts.map(parseHostEntry)];
  return `${common.trimEnd()}\n${entries.map(({ name, address }) => `${address} ${name}\n`).join("")}`;
}

/** The conventional address of a host name without an address of its own. */
const LOCAL = "127.0.1.1";

const OWN_NETWORK = `127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters`;

export interface TaskIdentity {
  readonly user: {
    readonly name: string;
    readonly uid: number;
    readonly gid: number;
    readonly home: string;
  };
  /** Gids of supplementary groups. */
  readonly groups: readonly number[];
}

/** The text of passwd(5), with root, nobody and the task's user, but no other user of the host. */
export function passwdFile({ user: { name, uid, gid, home } }: TaskIdentity): string {
  const own = [name, "x", uid, gid, "", home, "/bin/sh"].join(":");
  const others = [
    ["root", "x", 0, 0, "root", "/root", "/usr/sbin/nologin"],
    ["nobody", "x", nobody, nobody, "nobody", "/nonexistent", "/usr/sbin/nologin"],
  ];
  return textOf([...others.filter(([, , other]) => other !== uid).map((fields) => fields.join(":")), own]);
}

/**
 * The text of group(5), with root's group, nogroup and the groups of the task's user. The host's names of
 * supplementary groups are unknown here, so these groups are named `group-<gid>`.
 */
export function groupFile({ user, groups }: TaskIdentity): string {
  const names = new Map<number, string>([
    [0, "root"],
    [nobody, "nogroup"],
  ]);
  if (!names.has(user.gid)) names.set(user.gid, user.name);
  for (const gid of groups) if (!names.has(gid)) names.set(gid, `group-${gid}`);
  const members = (gid: number) => (groups.includes(gid) ? user.name : "");
  return textOf([...names].map(([gid, name]) => `${name}:x:${gid}:${members(gid)}`));
}

/** The kernel's overflow uid and gid: user_namespaces(7). */
const nobody = 65534;

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
