/** Chooses the user that a task runs as, like the Nomad client. */
import { randomInt } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { DriverError } from "../../base/errors.ts";
import { countOfIds, idAt } from "../../effects/users/idRanges.ts";
import { entryOfUid } from "../../effects/users/passwd.ts";
import { resolveUser, type TaskUser } from "../../effects/users/users.ts";

/**
 * @param name the job's `user`; undefined means a dynamic user, unique to the task
 * @param dynamic whether the client has dynamic users; without them, the request names no user
 * @param dynamicUserIds the ids of dynamic users
 * @throws DriverError `USER_UNKNOWN`
 */
export async function chooseUser(
  name: string | undefined,
  dynamic: boolean,
  dynamicUserIds: string,
): Promise<TaskUser> {
  if (name === undefined && !dynamic) return noUser;
  return resolveUser(name ?? `nomad-${freeDynamicId(dynamicUserIds)}`, { ...anybody, dynamicUserIds });
}

/** No user: root owns the task's folders. */
const noUser: TaskUser = { name: "", uid: 0, gid: 0, home: "/" };

/** Nobody is refused here, because the driver decides which users a task may run as. */
const anybody = {
  allowRoot: true,
  deniedHostUids: "",
  deniedHostGids: "",
};

/** A random id without a passwd entry or a process. Concurrent runs rarely pick the same random id. */
function freeDynamicId(ranges: string): number {
  // A minimal container may have no /etc/passwd.
  const passwd = existsSync("/etc/passwd") ? readFileSync("/etc/passwd", "utf8") : "";
  const running = idsWithProcesses();
  const count = countOfIds(ranges);
  for (let attempt = 0; attempt < count; attempt++) {
    const id = idAt(ranges, randomInt(count));
    if (id !== undefined && !running.has(id) && !entryOfUid(passwd, id)) return id;
  }
  throw new DriverError("USER_FORBIDDEN", `no dynamic user is free: those of ${ranges} are in use`);
}

function idsWithProcesses(): Set<number> {
  const ids = new Set<number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const status = statSync(`/proc/${name}`, { throwIfNoEntry: false });
    if (status) ids.add(status.uid);
  }
  return ids;
}
