/** What a task sees of the host's paths, and what its user may do with them. Pure. */
import { isAtOrBelow, withoutSlashes } from "../../effects/paths/paths.ts";
import { type AdvisedSetting, isProbe, settingsFor } from "../../effects/verdicts.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { PathFacts } from "./evidence.ts";
import { isOptional } from "./optionalPaths.ts";

/** The folder that a task's root is made of, as its job names it. */
export function rootDirOf({ request }: Pick<TaskContext, "request">): string | undefined {
  const name = request?.options.root_dir;
  return typeof name === "string" ? name : undefined;
}

/**
 * The line for the job file that unveils what the host has at a path; none if no line does. An entry for a path with
 * symlinks adds them, and what they lead to, which no line must open if it may not be opened by its own name.
 */
export function settingsToUnveil({ path, found, target }: PathFacts, context: TaskContext): AdvisedSetting[] {
  const end = target?.found ?? found;
  if (end === undefined || isLink(end)) return [];
  const right = end.isFolder ? "fs.read_dir" : (end.mode & 0o111) === 0 ? "fs.read_file" : "fs.execute";
  const settings = (object: string) => settingsFor({ blockers: [right], object }, context);
  const ofTarget = target === undefined ? undefined : settings(target.path);
  if (ofTarget !== undefined && (ofTarget.length === 0 || isThere(path, context))) return ofTarget;
  return settings(path);
}

/** A path, with what its symlinks lead to. */
export function nameOf({ path, target }: PathFacts): string {
  return target === undefined ? path : `${path} (a link to ${target.path})`;
}

/** Whether the root has the name of a path. */
function isThere(path: string, { request, sandbox }: TaskContext): boolean {
  return sandbox !== null && (isInRoot(path, sandbox) || isOfVolume(path, { request }));
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

/** Whether programs try a path, and can do without it. */
export function isTried(path: string, context: TaskContext): boolean {
  return isOptional(path) || isProbe({ blockers: ["fs.read_file"], object: path }, context);
}

/** Whether the task may miss a path, as far as can be told without a look at the host. */
export function mayMiss(path: string, context: TaskContext): boolean {
  // What the host has says nothing of a root that is made of a folder.
  if (context.sandbox === null || rootDirOf(context) !== undefined) return false;
  return isThere(path, context) || !isTried(path, context);
}

/**
 * Whether the task misses a path that the host has, or what its symlinks lead to: it is not in its root, and not one to
 * do without.
 */
export function isMissed(
  { path, target }: Pick<PathFacts, "path" | "target">,
  context: TaskContext,
): boolean {
  if (!mayMiss(path, context)) return false;
  return !isThere(path, context) || (target !== undefined && isMissed(target, context));
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
export function isOfVolume(path: string, { request }: Pick<TaskContext, "request">): boolean {
  return request?.mounts.some(({ target }) => isAtOrBelow(path, target)) ?? false;
}
