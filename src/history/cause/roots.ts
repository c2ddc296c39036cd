/** What a task sees of the host's paths, and what its user may do with them. Pure. */
import { isAtOrBelow, withoutSlashes } from "../../effects/paths/paths.ts";
import { isProbe, linesFor } from "../../effects/verdicts.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { PathFacts } from "./evidence.ts";
import { isOptional } from "./optionalPaths.ts";

/** The folder that a task's root is made of, as its job names it. */
export function rootDirOf({ request }: Pick<TaskContext, "request">): string | undefined {
  const name = request?.options.root_dir;
  return typeof name === "string" ? name : undefined;
}

/** The lines for the job file that unveil what the host has at a path. */
export function linesToUnveil({ path, found }: PathFacts, context: TaskContext): string | undefined {
  if (found === undefined) return undefined;
  const blockers = found.isFolder
    ? ["fs.read_dir"]
    : [(found.mode & 0o111) === 0 || isLink(found) ? "fs.read_file" : "fs.execute"];
  return linesFor({ blockers, object: path }, context);
}

/** Types of files in a mode: inode(7). */
const [S_IFMT, S_IFLNK, S_IFREG] = [0o170000, 0o120000, 0o100000];

/** Whether it is a symlink, whose permissions mean nothing. */
export function isLink({ mode }: Found): boolean {
  return (mode & S_IFMT) === S_IFLNK;
}

/** Whether nobody may execute a file, not even root. */
export function isFileWithoutX({ mode }: Found): boolean {
  return (mode & S_IFMT) === S_IFREG && (mode & 0o111) === 0;
}

type Found = NonNullable<PathFacts["found"]>;

/** Whether the task misses a path that the host has: it is not in its root, and not one to do without. */
export function isMissed(path: string, context: TaskContext): boolean {
  const { sandbox } = context;
  if (sandbox === null || isInRoot(path, sandbox) || isOfVolume(path, context)) return false;
  // What the host has says nothing of a root that is made of a folder.
  if (rootDirOf(context) !== undefined) return false;
  return !isOptional(path) && !isProbe({ blockers: ["fs.read_file"], object: path }, context);
}

export type Sandbox = NonNullable<TaskContext["sandbox"]>;

/** Whether the task sees what the host has at the path. */
export function isInRoot(path: string, { root, privateTmp, unveiled }: Sandbox): boolean {
  if (root === "host") return true;
  // Every root has /proc. The root of a task with a private /tmp has /tmp, too.
  const there = ["/proc", ...(privateTmp ? ["/tmp"] : []), ...unveiled.map((each) => each.path)];
  // Folders on the way to unveiled paths are in the root, too.
  return there.some((each) => isAtOrBelow(path, each) || isAtOrBelow(each, path));
}

/** @param target of a volume, as the request has it */
export function isIdmapped(target: string, request: TaskContext["request"]): boolean {
  const listed = request?.options.idmapped_volumes;
  return (
    Array.isArray(listed) && listed.some((path) => withoutSlashes(String(path)) === withoutSlashes(target))
  );
}

/** Whether a path is in one of the task's volumes. */
export function isOfVolume(path: string, { request }: TaskContext): boolean {
  return request?.mounts.some(({ target }) => isAtOrBelow(path, target)) ?? false;
}
