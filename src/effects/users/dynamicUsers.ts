/**
 * Resolves dynamic users: `nomad-<n>` has uid and gid n. The host does not know these users. The agent
 * assigns each to one task at a time.
 */

import { DriverError } from "../../base/errors.ts";
import { isInRanges, parseId } from "./idRanges.ts";
import { askNameServices, readDatabase } from "./nameServices.ts";
import { entryOfUid, isSubordinate, nameOfGid, type PasswdEntry, servicesOf } from "./passwd.ts";

/** Whether a name belongs to a dynamic user. */
export function isDynamicUser(user: string): boolean {
  return dynamicName.test(user);
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
export async function resolveDynamicUser(name: string, ids: string): Promise<PasswdEntry> {
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
export function dynamicUser(name: string, ids: string, known: KnownIds): PasswdEntry {
  const id = parseId(dynamicName.exec(name)?.[1] ?? "");
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
  return services.some((name) => name !== "files" && (name !== "systemd" || isInRanges(id, systemdIds)));
}

/**
 * Ids that systemd's name service may know: home directories, dynamic users of services, containers.
 * https://systemd.io/UIDS-GIDS
 */
const systemdIds = "60001-65534,524288-1879048191";

/**
 * Queries the name services. Treats a failure like a missing entry: unreachable services must not keep every
 * task from starting, and the operator has reserved the range.
 */
function ask(database: "passwd" | "group", id: number): Promise<string> {
  return askNameServices(database, String(id)).catch(() => "");
}
