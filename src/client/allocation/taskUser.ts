/** The user that a task runs as, chosen as the Nomad client does. */
import { randomInt } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { entryOfUid } from "../../effects/users/passwd.ts";
import { resolveUser, type TaskUser } from "../../effects/users/users.ts";
import { DriverError } from "../../errors.ts";

/**
 * @param name of the job; undefined: a dynamic user that nobody else is
 * @param lends whether there are dynamic users; without, the driver hears of none
 * @throws DriverError `USER_UNKNOWN`
 */
export async function chooseUser(name: string | undefined, lends: boolean): Promise<TaskUser> {
  if (name === undefined && !lends) return noUser;
  return resolveUser(name ?? `nomad-${freeDynamicId()}`, anybody);
}

/** Its folders are root's. */
const noUser: TaskUser = { name: "", uid: 0, gid: 0, home: "/" };

/** Who a task may be is for the driver to say. */
const anybody = { allowRoot: true, deniedHostUids: "", deniedHostGids: "" };

/** The Nomad client's default range. */
const firstDynamicId = 80_000;
const dynamicIds = 10_000;

/** Random, so that two runs at once hardly meet; none that has an entry or a process. */
function freeDynamicId(): number {
  const passwd = readFileSync("/etc/passwd", "utf8");
  const running = idsWithProcesses();
  for (let attempt = 0; attempt < dynamicIds; attempt++) {
    const id = firstDynamicId + randomInt(dynamicIds);
    if (!running.has(id) && !entryOfUid(passwd, id)) return id;
  }
  throw new DriverError("USER_FORBIDDEN", "no dynamic user is free: 80000 to 89999 are in use");
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
