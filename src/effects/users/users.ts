/** The user that a task runs as: a dynamic user from the agent, or a user of the host. */
import { isInRanges, maxId, parseId } from "../../config/task/idRanges.ts";
import { DriverError } from "../../errors.ts";
import { askNameServices, isAccountName, readDatabase } from "./nameServices.ts";
import { entryOfName, entryOfUid, gidOfName } from "./passwd.ts";

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
  /** Ranges of ids that no task may have. */
  readonly deniedHostUids: string;
  readonly deniedHostGids: string;
}

/**
 * Looks the user up in `/etc/passwd` and, if the name is not there, asks the
 * host's name services through `getent`.
 * @throws DriverError `USER_UNKNOWN`, `USER_FORBIDDEN`
 */
export async function resolveUser(user: string, rules: UserRules): Promise<TaskUser> {
  const found =
    findUser(user, readDatabase("passwd"), rules) ??
    findUser(user, await askNameServices("passwd", user), rules);
  if (found === undefined) throw unknownUser(user);
  return found;
}

/**
 * Finds a user in the text of the user database. Pure.
 * Users are identified by name, as everywhere in Nomad. Digits alone are a name
 * too, and `uid:gid` is not a name, so that nobody becomes a uid by guessing its number.
 * @returns undefined if the text has no such name
 */
export function findUser(user: string, passwd: string, rules: UserRules): TaskUser | undefined {
  const found = lookUp(user, passwd, rules);
  if (found === undefined) return undefined;
  refuseDenied("uid", found.uid, rules.deniedHostUids);
  refuseDenied("gid", found.gid, rules.deniedHostGids);
  return found;
}

/**
 * Refuses an id that the operator denies to tasks.
 * @throws DriverError `USER_FORBIDDEN`
 */
function refuseDenied(kind: "uid" | "gid", id: number, denied: string): void {
  if (!isInRanges(id, denied)) return;
  throw new DriverError("USER_FORBIDDEN", `${kind} ${id} is one that this client denies to tasks`, {
    hint: `It is in denied_host_${kind}s (${denied}) of the client's plugin block: run the task as somebody else`,
  });
}

function lookUp(user: string, passwd: string, { allowRoot }: UserRules): TaskUser | undefined {
  if (user === "") {
    throw new DriverError("USER_UNKNOWN", "the task has no user", {
      hint: "Set `user` in the task, or enable the client's dynamic workload users",
    });
  }
  const number = dynamicName.exec(user)?.[1];
  if (number !== undefined) return dynamicUser(user, number, passwd);
  if (!isAccountName(user)) throw unknownUser(user);
  const entry = entryOfName(passwd, user);
  if (entry?.uid === 0 && !allowRoot) {
    throw new DriverError("USER_FORBIDDEN", `user ${JSON.stringify(user)} is root (uid 0)`, {
      hint: "Run the task as another user, or set `allow_root` in the plugin's configuration",
    });
  }
  return entry;
}

const dynamicName = /^nomad-(\d+)$/;

/** Whether a user is a dynamic one, which agents lend to tasks. */
export function isDynamicUser(user: string): boolean {
  return dynamicName.test(user);
}

/** The uids below belong to the host's own accounts. */
const minDynamicUid = 1000;

/** `nomad-<n>`: a uid and gid without an owner, which the agent lends to the task. */
function dynamicUser(name: string, number: string, passwd: string): TaskUser {
  const uid = parseId(number);
  if (uid === undefined || uid < minDynamicUid) {
    throw forbidden(
      name,
      `a dynamic user has a number from ${minDynamicUid} to ${maxId}, without leading zeros`,
    );
  }
  const owner = entryOfUid(passwd, uid);
  if (owner !== undefined)
    throw forbidden(name, `uid ${uid} belongs to the host's user ${JSON.stringify(owner.name)}`);
  return { name, uid, gid: uid, home: "/nonexistent" };
}

function forbidden(name: string, why: string): DriverError {
  return new DriverError("USER_FORBIDDEN", `dynamic user ${name} is refused: ${why}`, {
    hint: "Choose another range for the client's dynamic workload users, and leave such names out of jobs",
  });
}

function unknownUser(user: string): DriverError {
  return new DriverError("USER_UNKNOWN", `user ${JSON.stringify(user)} is not a user of this host`, {
    hint: "Users are given by name, not by number: check `user` in the task",
  });
}

/**
 * Resolves groups, given by name or number, to gids without duplicates. A number needs no entry on the host.
 * @throws DriverError `USER_UNKNOWN` for a name that the host does not know
 * @throws DriverError `USER_FORBIDDEN` for root's group and for gids that the operator denies
 */
export async function resolveGroups(groups: readonly string[], rules: UserRules): Promise<number[]> {
  const gids = new Set<number>();
  for (const group of groups) {
    const gid = parseId(group) ?? (await gidOf(group));
    refuseDenied("gid", gid, rules.deniedHostGids);
    if (gid === 0 && !rules.allowRoot) {
      throw new DriverError("USER_FORBIDDEN", `group ${JSON.stringify(group)} is root's (gid 0)`, {
        hint: "Remove it from `groups`, or set `allow_root` in the plugin's configuration",
      });
    }
    gids.add(gid);
  }
  return [...gids];
}

async function gidOf(name: string): Promise<number> {
  const gid = isAccountName(name)
    ? (gidOfName(readDatabase("group"), name) ?? gidOfName(await askNameServices("group", name), name))
    : undefined;
  if (gid !== undefined) return gid;
  throw new DriverError("USER_UNKNOWN", `group ${JSON.stringify(name)} is not a group of this host`, {
    hint: "Check `groups` in the task's config",
  });
}
