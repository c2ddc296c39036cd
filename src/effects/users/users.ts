/**
 * Resolves the user that a task runs as: a dynamic user from the agent, or a user of the host. A dynamic user
 * `nomad-<n>` has uid and gid n. The host does not know these users, and the agent assigns each to one task at
 * a time.
 */

import { execFile } from "node:child_process";
import { closeSync, fstatSync, openSync, readFileSync, type Stats, statSync } from "node:fs";
import { promisify } from "node:util";
import { DriverError, errnoOf, messageOf } from "../../base/errors.ts";
import { matchesGlob } from "../../base/globs.ts";
import { isInRanges, parseId } from "./idRanges.ts";
import { hasGids, isListedGid, isListedName } from "./listedGroups.ts";
import { entryOfName, entryOfUid, gidOfName, isSubordinate, nameOfGid, servicesOf } from "./passwd.ts";
import { secretOf } from "./secretGroups.ts";

export interface TaskUser {
  readonly name: string;
  readonly uid: number;
  /** The user's primary group. */
  readonly gid: number;
  readonly home: string;
}

/** The plugin options about users. */
export interface UserRules {
  /** Whether tasks may run as uid 0. */
  readonly allowRoot: boolean;
  /** Patterns of the names of the host's users that tasks may run as; undefined: all but root. */
  readonly allowedUsers?: readonly string[] | undefined;
  /** Ranges of the ids of dynamic users. */
  readonly dynamicUserIds: string;
  /** Ranges of ids that no task may have. */
  readonly deniedHostUids: string;
  readonly deniedHostGids: string;
}

/** Of these, what decides on supplementary groups. */
export interface GroupRules extends Pick<UserRules, "dynamicUserIds" | "deniedHostGids"> {
  /** The groups that jobs may choose, as in `listedGroups.ts`. */
  readonly groupsByTask: readonly string[];
}

/**
 * Looks up a user of the host in `/etc/passwd` and, if the name is not there, asks the host's name services
 * through `getent`. A dynamic user has no entry on the host.
 * @throws DriverError `USER_UNKNOWN`, `USER_FORBIDDEN`
 */
export async function resolveUser(user: string, rules: UserRules): Promise<TaskUser> {
  refuseUnlisted(user, rules);
  const found = isDynamicUser(user)
    ? await resolveDynamicUser(user, rules.dynamicUserIds)
    : (findUser(user, readDatabase("passwd"), rules) ??
      findUser(user, await askNameServices("passwd", user), rules));
  if (found === undefined) throw unknownUser(user);
  refuseDenied("uid", found.uid, rules.deniedHostUids);
  refuseDenied("gid", found.gid, rules.deniedHostGids);
  refuseSecret(
    found.gid,
    found,
    `primary group of user ${JSON.stringify(user)}`,
    "Run the task as another user",
  );
  return found;
}

/**
 * Refuses a user of the host that the operator does not list, whether there is one of this name or not. Root has an
 * option of its own.
 * @throws DriverError `USER_FORBIDDEN`
 */
function refuseUnlisted(user: string, { allowedUsers }: Pick<UserRules, "allowedUsers">): void {
  if (allowedUsers === undefined || user === "" || user === "root" || isDynamicUser(user)) return;
  if (allowedUsers.some((pattern) => matchesGlob(pattern, user))) return;
  throw new DriverError(
    "USER_FORBIDDEN",
    `user ${JSON.stringify(user)} is none that this client allows to tasks`,
    {
      hint: `It is not in allowed_users (${allowedUsers.join(", ") || "none"}) of the client's plugin block. Leave \`user\` out, and the agent gives the task a dynamic user`,
    },
  );
}

/**
 * Finds a user of the host in the text of the user database. Pure. Users are identified by name, as
 * everywhere in Nomad. A number counts as a name, not as a uid, and `uid:gid` is not a name. So nobody
 * becomes a user by giving a uid.
 * @returns undefined if the text has no such name
 */
export function findUser(
  user: string,
  passwd: string,
  { allowRoot }: Pick<UserRules, "allowRoot">,
): TaskUser | undefined {
  if (user === "") {
    throw new DriverError(
      "USER_UNKNOWN",
      "the agent names no user for the task, and no earlier run had one",
      {
        hint: "An agent may name one in its next attempt: it names none if a job is registered again while its task starts. Otherwise set `user` in the task, or enable the client's dynamic workload users",
        recoverable: true,
      },
    );
  }
  if (!isAccountName(user)) throw unknownUser(user);
  const entry = entryOfName(passwd, user);
  if (entry?.uid === 0 && !allowRoot) {
    throw new DriverError("USER_FORBIDDEN", `user ${JSON.stringify(user)} is root (uid 0)`, {
      hint: "Run the task as another user, or set `allow_root` in the plugin's configuration",
    });
  }
  return entry;
}

/**
 * Refuses an id that the operator denies to tasks.
 * @throws DriverError `USER_FORBIDDEN`
 */
function refuseDenied(kind: "uid" | "gid", id: number, denied: string): void {
  if (!isInRanges(id, denied)) return;
  throw new DriverError("USER_FORBIDDEN", `${kind} ${id} is one that this client denies to tasks`, {
    hint: `It is in denied_host_${kind}s (${denied}) of the client's plugin block: run the task as another user`,
  });
}

/**
 * Why no task may act as the owner of files, by the operator's denied ids and by the host's secret groups; undefined
 * if tasks may. Root and root's group are not asked about here.
 * @throws DriverError `USER_UNKNOWN` if the host's groups cannot be read
 */
export function ownerProblem(
  { uid, gid }: { readonly uid: number; readonly gid: number },
  { deniedHostUids, deniedHostGids }: Pick<UserRules, "deniedHostUids" | "deniedHostGids">,
): string | undefined {
  if (isInRanges(uid, deniedHostUids)) return `uid ${uid} is in denied_host_uids`;
  if (isInRanges(gid, deniedHostGids)) return `gid ${gid} is in denied_host_gids`;
  const secret = gid === 0 ? undefined : secretOf(gid, readDatabase("group"));
  return secret && `of gid ${gid}, ${secret}`;
}

function unknownUser(user: string): DriverError {
  return new DriverError("USER_UNKNOWN", `user ${JSON.stringify(user)} is not a user of this host`, {
    hint: "Users are given by name, not by number: check `user` in the task",
  });
}

/**
 * Refuses a group of the host's secrets. Root needs no group to read them.
 * @throws DriverError `USER_FORBIDDEN`
 */
function refuseSecret(gid: number, { uid }: Pick<TaskUser, "uid">, what: string, hint: string): void {
  const secret = uid === 0 ? undefined : secretOf(gid, readDatabase("group"));
  if (secret !== undefined)
    throw new DriverError("USER_FORBIDDEN", `${what} is refused: ${secret}`, { hint });
}

/**
 * Resolves groups, given by name or number, to gids without duplicates. A number needs no entry on the host.
 * @param user the task's user
 * @throws DriverError `USER_UNKNOWN` for a listed name that the host does not know
 * @throws DriverError `USER_FORBIDDEN` for groups that the operator does not list or that he denies, those of the
 *   host's secrets, and numbers of dynamic users
 */
export async function resolveGroups(
  groups: readonly string[],
  user: Pick<TaskUser, "uid">,
  rules: GroupRules,
): Promise<number[]> {
  const gids = new Set<number>();
  for (const group of groups) {
    const what = `group ${JSON.stringify(group)}`;
    const gid = await listedGid(group, what, rules.groupsByTask);
    refuseDenied("gid", gid, rules.deniedHostGids);
    const hint = "Remove it from `groups`. For a file of such a group, give a group of its own to tasks";
    refuseSecret(gid, user, what, hint);
    if (isInRanges(gid, rules.dynamicUserIds)) {
      const why = `gid ${gid} is in dynamic_user_ids, so files of another task may have it`;
      throw new DriverError("USER_FORBIDDEN", `${what} is refused: ${why}`, { hint });
    }
    gids.add(gid);
  }
  return [...gids];
}

/**
 * The gid of a group that the operator lists. A group that is not listed is refused, whether the host has it or not.
 */
async function listedGid(group: string, what: string, listed: readonly string[]): Promise<number> {
  const number = parseId(group);
  const isNamed = number === undefined && isListedName(group, listed);
  const gid = number ?? (isNamed || hasGids(listed) ? await gidOf(group) : undefined);
  if (isNamed && gid !== undefined) return gid;
  if (isNamed) {
    throw new DriverError("USER_UNKNOWN", `${what} is not a group of this host`, {
      hint: "Check `groups` in the task's config",
    });
  }
  if (gid !== undefined && isListedGid(gid, listed)) return gid;
  const name = number === undefined ? undefined : nameOfGid(readDatabase("group"), number);
  if (number !== undefined && name !== undefined && isListedName(name, listed)) return number;
  throw new DriverError("USER_FORBIDDEN", `${what} is none that this client allows to tasks`, {
    hint: `It is not in groups_by_task (${listed.join(", ")}) of the client's plugin block`,
  });
}

/** Undefined if the host does not know the name. */
async function gidOf(name: string): Promise<number | undefined> {
  if (!isAccountName(name)) return undefined;
  return gidOfName(readDatabase("group"), name) ?? gidOfName(await askNameServices("group", name), name);
}

/** Whether a name belongs to a dynamic user. */
export function isDynamicUser(user: string): boolean {
  return dynamicName.test(user);
}

/** The uid and gid of a dynamic user; undefined for any other name. */
export function dynamicIdOf(user: string): number | undefined {
  return parseId(dynamicName.exec(user)?.[1] ?? "");
}

const dynamicName = /^nomad-(\d+)$/;

/** The text of the host's databases of ids. */
export type KnownIds = Readonly<Record<"passwd" | "group" | "subuid" | "subgid", string>>;

/**
 * A job may name any number. So a number is accepted only if the operator has reserved it for tasks, and if
 * no user or group of the host has it.
 * @param ids the ranges of dynamic users: {@link isInRanges}
 * @throws DriverError `USER_FORBIDDEN`
 */
async function resolveDynamicUser(name: string, ids: string): Promise<TaskUser> {
  const known = {
    passwd: readDatabase("passwd"),
    group: readDatabase("group"),
    subuid: readDatabase("subuid"),
    subgid: readDatabase("subgid"),
  };
  const user = dynamicUser(name, ids, known);
  if (mayBeElsewhere(user.uid, readDatabase("nsswitch.conf"))) {
    const [passwd, group] = await Promise.all([ask("passwd", user.uid), ask("group", user.uid)]);
    dynamicUser(name, ids, { ...known, passwd, group });
  }
  return user;
}

/** Like {@link resolveDynamicUser}, with databases that have already been read. Pure. */
export function dynamicUser(name: string, ids: string, known: KnownIds): TaskUser {
  const id = dynamicIdOf(name);
  if (id === undefined || id === 0 || !isInRanges(id, ids)) {
    throw new DriverError(
      "USER_FORBIDDEN",
      `dynamic user ${name} is refused: its number is not in ${ids || "any range"}`,
      {
        hint: "Do not use such names in jobs. If the client has assigned this name, set dynamic_user_ids in the plugin block to the range of the client's users block",
      },
    );
  }
  const owner = ownerOf(id, known);
  if (owner === undefined) return { name, uid: id, gid: id, home: "/nonexistent" };
  throw new DriverError("USER_FORBIDDEN", `dynamic user ${name} is refused: ${owner}`, {
    hint: "Choose a range for the client's dynamic users that nothing else on the host uses, and set dynamic_user_ids in the plugin block to this range",
  });
}

function ownerOf(id: number, { passwd, group, subuid, subgid }: KnownIds): string | undefined {
  const user = entryOfUid(passwd, id)?.name;
  if (user !== undefined) return `uid ${id} belongs to the host's user ${JSON.stringify(user)}`;
  const groupName = nameOfGid(group, id);
  if (groupName !== undefined) return `gid ${id} belongs to the host's group ${JSON.stringify(groupName)}`;
  if (isSubordinate(id, subuid)) return `/etc/subuid reserves uid ${id} for user namespaces`;
  return isSubordinate(id, subgid) ? `/etc/subgid reserves gid ${id} for user namespaces` : undefined;
}

/**
 * Whether name services other than the files may know an id. A query to them takes a process and some
 * milliseconds.
 */
function mayBeElsewhere(id: number, nsswitch: string): boolean {
  const services = [...servicesOf(nsswitch, "passwd"), ...servicesOf(nsswitch, "group")];
  const isSystemds = systemdIds.some(([first, last]) => id >= first && id <= last);
  return services.some((name) => name !== "files" && (name !== "systemd" || isSystemds));
}

/**
 * Ids that systemd's name service may know: home directories, dynamic users of services, containers.
 * https://systemd.io/UIDS-GIDS
 */
const systemdIds = [
  [60_001, 65_534],
  [524_288, 1_879_048_191],
] as const;

/**
 * Queries the name services. Treats a failure like a missing entry: unreachable services must not keep every
 * task from starting, and the operator has reserved the range.
 */
function ask(database: "passwd" | "group", id: number): Promise<string> {
  return askNameServices(database, String(id)).catch(() => "");
}

type Database = "passwd" | "group";

type DatabaseFile = Database | "subuid" | "subgid" | "nsswitch.conf";

/**
 * Returns the text of a database's file; empty if there is no such file, as on a host that keeps its users
 * elsewhere. Each call checks whether the file has changed, and reads it again if so.
 * @throws DriverError `USER_UNKNOWN`
 */
function readDatabase(database: DatabaseFile): string {
  const path = `/etc/${database}`;
  try {
    const known = knownFiles.get(database);
    if (known?.version === versionOf(statSync(path))) return known.text;
    const file = readVersion(path);
    knownFiles.set(database, file);
    return file.text;
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return "";
    throw DriverError.from(thrown, "USER_UNKNOWN", "the host's users cannot be read");
  }
}

interface KnownFile {
  readonly version: string;
  readonly text: string;
}

const knownFiles = new Map<DatabaseFile, KnownFile>();

/**
 * Reads the version before the text. If the file changes in between, the version is outdated, and the next
 * call reads the file again.
 */
function readVersion(path: string): KnownFile {
  const file = openSync(path, "r");
  try {
    const version = versionOf(fstatSync(file));
    return { version, text: readFileSync(file, "utf8") };
  } finally {
    closeSync(file);
  }
}

/**
 * Identifies a version of a file by several fields: most programs replace these files, but editors may write
 * to the existing one.
 */
function versionOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}`;
}

/**
 * Asks `getent`, which queries all of the host's name services.
 * @returns the entry in the text form of the database; empty if there is none
 * @throws DriverError `USER_UNKNOWN`, recoverable, if the services do not answer
 */
async function askNameServices(database: Database, name: string): Promise<string> {
  const env = { PATH: process.env.PATH ?? "/usr/bin:/bin" };
  try {
    const options = { env, timeout: timeoutMs, killSignal: "SIGKILL" } as const;
    const { stdout } = await run("getent", [database, name], options);
    return stdout;
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === notFoundStatus) return "";
    const kind = database === "passwd" ? "user" : "group";
    throw new DriverError("USER_UNKNOWN", `${kind} ${JSON.stringify(name)} could not be looked up`, {
      failed: { call: `getent ${database}`, path: name },
      hint: `The host's name services did not answer: ${messageOf(thrown)}`,
      recoverable: true,
      cause: thrown,
    });
  }
}

/** Whether the databases can hold the name. Excludes options of `getent` and the NIS marks `+` and `-`. */
function isAccountName(name: string): boolean {
  return /^[^\s:/+-][^\s:/]*$/.test(name) && !name.includes("\0");
}

const run = promisify(execFile);

/** A directory server that does not answer must not block a start for ever. */
const timeoutMs = 5_000;

/** getent(1): "one or more supplied key could not be found in the database". */
const notFoundStatus = 2;
