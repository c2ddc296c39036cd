/**
 * Steps for mounts that come from another mount namespace. open_tree(2) copies a tree of mounts while its
 * path can be reached, and move_mount(2) later mounts the copy elsewhere. The copy gets its attributes before
 * it is visible. A remount by mount(2) would change only one mount of the tree, and only after it is visible.
 * Pure.
 */
import * as k from "../kernel/constants.ts";
import { mountAttr, openHow } from "../kernel/structs.ts";
import { anyFolder, linkHints } from "../plan/commonSteps.ts";
import { bytes, type Flags, flags, type Hints, type Step } from "../plan/plan.ts";

/** A tree of mounts: a file or folder with all that is mounted below it. */
export interface Tree {
  readonly source: string;
  /** Whether the source may be a symlink. */
  readonly followSource: boolean;
  /** Added to the attributes of each mount in the tree. */
  readonly attributes: Flags;
  /**
   * `MS_SLAVE`: later mounts of the host below the source appear in the tree, too. `MS_PRIVATE`: they do not.
   */
  readonly propagation: Flags;
}

const { OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_RECURSIVE, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW } = k;
const { MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH, MOVE_MOUNT_T_SYMLINKS } = k;
const { O_PATH, O_CLOEXEC, RESOLVE_NO_SYMLINKS } = k;

// Made once: a start has many of these steps.
const copyFollowing = flags({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_RECURSIVE });
const copyWithoutLinks = flags({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW });
const copyOpened = flags({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_RECURSIVE, AT_EMPTY_PATH });
const closeOnExec = flags({ O_CLOEXEC });
const wholeTree = flags({ AT_EMPTY_PATH, AT_RECURSIVE });
const moveToPath = flags({ MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_SYMLINKS });
const moveToDescriptor = flags({ MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH });
const locationWithoutLinks = bytes(
  openHow({ flags: O_PATH | O_CLOEXEC, resolve: RESOLVE_NO_SYMLINKS }),
  "{flags: O_PATH|O_CLOEXEC, resolve: RESOLVE_NO_SYMLINKS}",
);

/** @param opened the lowest free descriptor, which the copy gets */
export function copyTreeSteps(name: string, tree: Tree, opened: number): Step[] {
  const how = tree.followSource ? copyFollowing : copyWithoutLinks;
  return [
    { name, call: "open_tree", args: [anyFolder, tree.source, how], hints: sourceHints },
    setAttributesStep(name, opened, tree),
  ];
}

/**
 * As {@link copyTreeSteps}, and refuses symlinks anywhere in the path: it had none when it was looked up, so
 * somebody puts them there.
 * @param free the lowest free descriptor, which is free again afterwards
 * @param opened the next free descriptor, which the copy gets
 */
export function copyTreeWithoutLinksSteps(
  name: string,
  tree: Omit<Tree, "followSource">,
  free: number,
  opened: number,
): Step[] {
  return [
    locateWithoutLinksStep(name, tree.source),
    { name, call: "open_tree", args: [free, "", copyOpened], hints: sourceHints },
    setAttributesStep(name, opened, tree),
    { name, call: "close", args: [free] },
  ];
}

/**
 * As {@link copyTreeWithoutLinksSteps}, where no number but the lowest free one is known.
 * @param free the lowest free descriptor, which is free again afterwards
 * @param kept a higher free descriptor, which the copy gets
 */
export function keepTreeWithoutLinksSteps(
  name: string,
  tree: Omit<Tree, "followSource">,
  free: number,
  kept: number,
): Step[] {
  const keep: Step[] = [
    { name, call: "dup3", args: [free, kept, closeOnExec] },
    { name, call: "close", args: [free] },
  ];
  return [
    locateWithoutLinksStep(name, tree.source),
    ...keep,
    { name, call: "open_tree", args: [kept, "", copyOpened], hints: sourceHints },
    setAttributesStep(name, free, tree),
    ...keep,
  ];
}

/** Opens a path as a location only, and refuses symlinks anywhere in it. The descriptor is the lowest free one. */
function locateWithoutLinksStep(name: string, path: string): Step {
  const how = locationWithoutLinks;
  return { name, call: "openat2", args: [anyFolder, path, how, how.bytes.length], hints: linkHints };
}

/** mount_setattr(2) on all mounts of a tree. */
function setAttributesStep(
  name: string,
  tree: number,
  { attributes, propagation }: Omit<Tree, "followSource">,
): Step {
  const attr = mountAttr(attributes.value, propagation.value);
  const meaning = `{attr_set: ${attributes.names}, propagation: ${propagation.names}}`;
  return {
    name,
    call: "mount_setattr",
    args: [tree, "", wholeTree, bytes(attr, meaning), attr.length],
  };
}

/** Mounts a tree over a path, and follows symlinks in the path. */
export function mountStep(name: string, tree: number, target: string): Step {
  const hints = targetHints(name);
  return { name, call: "move_mount", args: [tree, "", anyFolder, target, moveToPath], hints };
}

/**
 * Mounts a new file system over a folder, and refuses symlinks in the path.
 * @param options as mount(2) takes them for the type
 * @param opened the lowest free descriptor, which the folder gets until the last step closes it
 */
export function mountNewWithoutLinksSteps(
  name: string,
  target: string,
  { type, how, options }: { readonly type: string; readonly how: Flags; readonly options: string },
  opened: number,
): Step[] {
  return [
    locateWithoutLinksStep(name, target),
    { name, call: "mount", args: [type, `/proc/self/fd/${opened}`, type, how, options] },
    { name, call: "close", args: [opened] },
  ];
}

/**
 * Mounts a tree over a path, and refuses symlinks in the path: the task may have put them there.
 * @param opened the lowest free descriptor, which the target gets until the last step closes it
 */
export function mountWithoutLinksSteps(name: string, tree: number, target: string, opened: number): Step[] {
  return [
    locateWithoutLinksStep(name, target),
    { name, call: "move_mount", args: [tree, "", opened, "", moveToDescriptor], hints: targetHints(name) },
    { name, call: "close", args: [opened] },
  ];
}

const sourceHints: Hints = {
  EINVAL: (path) => `The mount at ${path} is unbindable: see mount_namespaces(7)`,
};

function targetHints(name: string): Hints {
  return {
    ENOENT: `${name}: the mount point does not exist on the host: create an empty file there`,
    EINVAL: `${name}: a folder can only be mounted on a folder, a file on a file, and a symlink nowhere`,
  };
}
