/** Supplementary groups of a task. */
import { parseId } from "../../config/task/ids.ts";
import { DriverError } from "../../errors.ts";
import { askNameServices, isAccountName, readDatabase } from "./nameServices.ts";
import { gidOfName } from "./passwd.ts";
import { refuseDenied, type UserRules } from "./users.ts";

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
