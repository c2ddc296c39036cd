/** A task's own passwd(5) and group(5), which name no other user of the host. Pure. */

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

/** The text of passwd(5), with root, nobody and the task's user. */
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
