/**
 * Makes a task's own versions of files in /etc, which are bind-mounted over the host's files: hosts(5), passwd(5),
 * group(5), resolv.conf(5).
 */

import {
  chmodSync,
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { DriverError, hasErrno } from "../../base/errors.ts";
import type { PluginValues, TaskValues } from "../options/fields.ts";
import { type HostEntry, parseHostEntry } from "./hostNames.ts";
import type { namesOptions } from "./options.ts";

export interface EtcFile {
  /** The file's path in the task. */
  readonly path: string;
  /** Its path in the run's folder. */
  readonly source: string;
  /** @throws DriverError `CONFIG_INVALID` for a dns block with an entry that is not a single word */
  readonly text: () => string;
}

/** What the agent and the job say about names. */
export interface NamesRequest extends HostNames {
  readonly dns: TaskDns | undefined;
  readonly options: TaskValues<typeof namesOptions>;
}

/** Paths in the run's folder. */
export type EtcPlaces = Readonly<Record<"resolvConf" | "hosts" | "passwd" | "group", string>>;

/**
 * A task's own versions of files in /etc. Most tasks have none.
 * @param plugin the plugin's options, whose `identityFiles` applies if the task's options set none
 * @param resolved the names that the task may connect to
 */
export function taskEtcFiles(
  request: NamesRequest,
  identity: TaskIdentity,
  files: EtcPlaces,
  plugin: PluginValues<typeof namesOptions>,
  resolved: readonly ResolvedHost[] = [],
): EtcFile[] {
  const { dns } = request;
  const hostFile = () => readFileSync("/etc/hosts", "utf8");
  return [
    ...(dns === undefined
      ? []
      : [{ path: "/etc/resolv.conf", source: files.resolvConf, text: () => resolvConf(dns) }]),
    ...(hasOwnHosts(request) || resolved.length > 0
      ? [{ path: "/etc/hosts", source: files.hosts, text: () => hostsFile(request, hostFile, resolved) }]
      : []),
    ...((request.options.identityFiles ?? plugin.identityFiles)
      ? [
          { path: "/etc/passwd", source: files.passwd, text: () => passwdFile(identity) },
          { path: "/etc/group", source: files.group, text: () => groupFile(identity) },
        ]
      : []),
  ];
}

/** Writes the files to the run's folder. They are readable by everybody, whatever the agent's umask. */
export function writeEtcFiles(files: readonly EtcFile[]): void {
  for (const { source, text } of files) {
    writeFileSync(source, text());
    chmodSync(source, 0o644);
  }
}

/**
 * The text of resolv.conf(5).
 * @throws DriverError `CONFIG_INVALID` for an entry that is not a single word
 */
function resolvConf({ servers, searches, options }: TaskDns): string {
  for (const word of [...servers, ...searches, ...options]) checkWord(word);
  const lines = servers.map((server) => `nameserver ${server}`);
  if (searches.length > 0) lines.push(`search ${searches.join(" ")}`);
  if (options.length > 0) lines.push(`options ${options.join(" ")}`);
  return lines.map((line) => `${line}\n`).join("");
}

function checkWord(word: string): void {
  if (/^[^\s\0]+$/.test(word)) return;
  throw new DriverError("CONFIG_INVALID", `${JSON.stringify(word)} is not valid in a resolv.conf`, {
    hint: "Correct the group's network.dns block: servers, searches and options are single words",
  });
}

export interface TaskDns {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** The name servers of a resolv.conf; none if there is no such file. */
export function nameServersIn(path: string): string[] {
  try {
    return [...readFileSync(path, "utf8").matchAll(/^nameserver (\S+)$/gm)].flatMap(
      ([, server]) => server ?? [],
    );
  } catch (thrown) {
    if (hasErrno(thrown, "ENOENT")) return [];
    throw thrown;
  }
}

/** The text of a task's hosts file; empty if the task has none, or if it cannot be read. */
export function readHosts(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** A name with the addresses that the driver found. */
export interface ResolvedHost {
  readonly name: string;
  readonly addresses: readonly string[];
}

/**
 * Changes a task's hosts file in place, because the task has it mounted. Does nothing if the text is the same, or
 * if the task has no such file.
 */
export function rewriteHosts(path: string, names: HostNames, resolved: readonly ResolvedHost[]): void {
  const text = Buffer.from(hostsFile(names, () => readFileSync("/etc/hosts", "utf8"), resolved));
  let file: number;
  let before: Buffer;
  try {
    before = readFileSync(path);
    if (before.equals(text)) return;
    file = openSync(path, "r+");
  } catch (thrown) {
    if (hasErrno(thrown, "ENOENT")) return;
    throw thrown;
  }
  try {
    // One write, so that no reader finds the file empty, nor the rest of a line, which would be another entry. What
    // is too much is cut off then.
    const rest = Buffer.alloc(Math.max(0, before.length - text.length), "\n");
    writeSync(file, Buffer.concat([text, rest]), 0, null, 0);
    ftruncateSync(file, text.length);
  } finally {
    closeSync(file);
  }
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
 * @param resolved names with the addresses that the task may connect to, so they come first, and without the host's
 *   addresses of them: a job's name servers may have others
 */
export function hostsFile(
  { network, options }: HostNames,
  hostFile: () => string,
  resolved: readonly ResolvedHost[] = [],
): string {
  const names = new Set(resolved.map(({ name }) => name));
  const common = network.mode === "host" ? withoutNames(hostFile(), names) : OWN_NETWORK;
  const found = resolved.flatMap(({ name, addresses }) => addresses.map((address) => ({ name, address })));
  const entries = [...found, ...givenHosts({ network, options })];
  return `${common.trimEnd()}\n${entries.map(({ name, address }) => `${address} ${name}\n`).join("")}`;
}

/** What the allocation's network and the job say about names. The driver has resolved none of it. */
export function givenHosts({ network, options }: HostNames): HostEntry[] {
  const own = network.self === undefined ? [] : [{ ...network.self, address: network.self.address || LOCAL }];
  return [...own, ...options.extraHosts.map(parseHostEntry)];
}

/** The text of a hosts file without some names, which are in lower case. */
function withoutNames(hosts: string, names: ReadonlySet<string>): string {
  if (names.size === 0) return hosts;
  const lines = hosts.split("\n").flatMap((line) => {
    const [address = "", ...all] = line.replace(/#.*/, "").trim().split(/\s+/);
    const kept = all.filter((name) => !names.has(name.toLowerCase()));
    if (kept.length === all.length) return [line];
    return kept.length === 0 ? [] : [[address, ...kept].join(" ")];
  });
  return lines.join("\n");
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
function passwdFile({ user: { name, uid, gid, home } }: TaskIdentity): string {
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
function groupFile({ user, groups }: TaskIdentity): string {
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
