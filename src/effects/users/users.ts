/** Resolves the user that a task runs as: a dynamic user from the agent, or a user of the host. */

import { DriverError } from "../../base/errors.ts";
import { isDynamicUser, resolveDynamicUser } from "./dynamicUsers.ts";
import { isInRanges, parseId } from "./idRanges.ts";
import { askNameServices, isAccountName, readDatabase } from "./nameServices.ts";
import { entryOfName, gidOfName } from "./passwd.ts";

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
  /** Ranges of the ids of dynamic users. */
  readonly dynamicUserIds: string;
  /** Ranges of ids that no task may have. */
  readonly deniedHostUids: string;
  readonly deniedHostGids: string;
}

/**
 * Looks up a user of the host in `/etc/passwd` and, if the name is not there, asks the host's name services
 * through `getent`. A dynamic user has no entry on the host.
 * @throws DriverError `USER_UNKNOWN`, `USER_FORBIDDEN`
 */
export async function resolveUser(user: string, rules: UserRules): Promise<TaskUser> {
  const found = isDynamicUser(user)
    ? await resolveDynamicUser(user, rules.dynamicUserIds)
    : (findUser(user, readDatabase("passwd"), rules) ??
      findUser(user, await askNameServices("passwd", user), rules));
  if (found === undefined) throw unknownUser(user);
  refuseDenied("uid", found.uid, rules.deniedHostUids);
  refuseDenied("gid", found.gid, rules.deniedHostGids);
  return found;
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
    throw new DriverError("USER_UNKNOWN", "the task has no user", {
      hint: "Set `user` in the task, or enable the client's dynamic workload users",
    });
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
