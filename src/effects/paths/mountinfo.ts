/** Parses `/proc/<pid>/mountinfo`, proc_pid_mountinfo(5). Pure. */
import { isAtOrBelow } from "./paths.ts";

/** Mount points of the file systems of a type, in the order of the file. */
export function mountPoints(mountinfo: string, fileSystemType: string): string[] {
  return pointsOf(mountinfo, (type) => type === fileSystemType);
}

/**
 * Mount points of file systems that another machine or a process serves. A call on such a file system may
 * never return. Includes autofs, which mounts such a file system when a process enters the mount point.
 */
export function remoteMountPoints(mountinfo: string): string[] {
  return pointsOf(mountinfo, isRemoteType);
}

/** Whether another machine or a process serves file systems of a type. */
export function isRemoteType(type: string): boolean {
  return remote.test(type);
}

const remote =
  /^(?:nfs4?|cifs|smb3|smbfs|ceph|9p|virtiofs|afs|autofs|coda|gfs2|ocfs2|lustre|gpfs|beegfs|orangefs|fuse|fuseblk|fuse\..*)$/;

function pointsOf(mountinfo: string, isWanted: (type: string) => boolean): string[] {
  return mountLines(mountinfo).flatMap(({ point, type }) => (isWanted(type) ? [point] : []));
}

/** A mount. */
export interface MountLine {
  /** `mnt_id` of proc_pid_fdinfo(5). */
  readonly id: number;
  /** `major:minor` of its file system. */
  readonly device: string;
  /** The path in the file system that is mounted. */
  readonly root: string;
  readonly point: string;
  /** Type of the file system. */
  readonly type: string;
  /** Options of the file system, separated by commas, as the file has them. */
  readonly options: string;
}

/** The mounts, in the order of the file. */
export function mountLines(mountinfo: string): MountLine[] {
  return mountinfo.split("\n").flatMap((line) => {
    const fields = line.split(" ");
    // A variable number of optional fields precedes the separator. The file system's type follows the
    // separator.
    const separator = fields.indexOf("-", 6);
    const [id, , device, root, point] = fields;
    if (separator < 0 || device === undefined || root === undefined || point === undefined) return [];
    const [type = "", , options = ""] = fields.slice(separator + 1);
    return [
      { id: Number(id), device, root: unescapeOctal(root), point: unescapeOctal(point), type, options },
    ];
  });
}

/**
 * The absolute paths of an overlay's layers, the lower ones and the upper one: overlayfs(5). Its options have them in one
 * list with colons, or, from Linux 6.8 on, in an option for each.
 * @param options of a {@link MountLine}
 */
export function overlayLayers(options: string): string[] {
  return options.split(",").flatMap((option) => {
    const [name = ""] = option.split("=", 1);
    const value = option.slice(name.length + 1);
    if (name === "upperdir" || name === "lowerdir+" || name === "datadir+")
      return absolute([unescapeOctal(value)]);
    // A colon in a path is escaped, once by whoever mounted it, or by the kernel.
    return name === "lowerdir" ? absolute(value.split(/(?<!\\134):/).map(unescapeLayer)) : [];
  });
}

function unescapeLayer(field: string): string {
  return unescapeOctal(field).replaceAll(/\\(.)/g, "$1");
}

function absolute(paths: readonly string[]): string[] {
  return paths.filter((path) => path.startsWith("/"));
}

/** The mount that has a path, a normalized one without symlinks; undefined if none of the mounts has it. */
export function innermostMount<Mount extends { readonly point: string }>(
  mounts: readonly Mount[],
  path: string,
): Mount | undefined {
  return mounts
    .filter(({ point }) => isAtOrBelow(path, point))
    .reduce<Mount | undefined>(
      // Of mounts at the same point, the last one covers the others.
      (inner, mount) => (inner && inner.point.length > mount.point.length ? inner : mount),
      undefined,
    );
}

/**
 * Whether later mounts below a mount propagate to the mount's slave copies: true if the mount is shared, or a
 * slave itself (mount_namespaces(7)).
 * @param id `mnt_id` of proc_pid_fdinfo(5)
 */
export function receivesMounts(mountinfo: string, id: number): boolean {
  const fields =
    mountinfo
      .split("\n")
      .find((line) => line.startsWith(`${id} `))
      ?.split(" ") ?? [];
  return propagates(fields);
}

function propagates(fields: readonly string[]): boolean {
  return fields.slice(6, fields.indexOf("-", 6)).some((field) => /^(shared|master):/.test(field));
}

/**
 * Finds the mounts at or below some paths, if any of the paths is inside a private mount. Slave copies of a
 * private mount get no mounts that are added later.
 * @returns the lines of these mounts; undefined if no path is inside a private mount
 */
export function unpropagatedMounts(mountinfo: string, paths: readonly string[]): string[] | undefined {
  const mounts = mountinfo
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const fields = line.split(" ");
      return { line, point: unescapeOctal(fields[4] ?? ""), isPrivate: !propagates(fields) };
    });
  const around = paths.map((path) => innermostMount(mounts, path));
  if (!around.some((mount) => mount?.isPrivate)) return undefined;
  return mounts.filter(({ point }) => paths.some((path) => isAtOrBelow(point, path))).map(({ line }) => line);
}

/** The kernel writes space, tab, newline and backslash as a backslash with three octal digits. */
function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
