/**
 * The plan that makes a template: a mount namespace whose root has only the contents of a skeleton. The
 * plan's process keeps the namespace until the plugin has opened it. Pure.
 */

import * as k from "../kernel/constants.ts";
import { mountAttr } from "../kernel/structs.ts";
import {
  anyFolder,
  closeRangeStep,
  endWithParentStep,
  hold,
  holdSteps,
  readRestStep,
} from "../plan/commonSteps.ts";
import {
  bytes,
  type Descriptors,
  type Flags,
  flags,
  type Hints,
  noSteps,
  octal,
  type Step,
  type WholePlan,
} from "../plan/plan.ts";
import type { RootBind, Skeleton } from "./skeleton.ts";
import { copyTreeWithoutLinksSteps, mountStep } from "./treeSteps.ts";

const { MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV } = k;

const inherited = { hold };
const inheritedWithBase = { hold, base: hold + 1 };

/** @param folder a folder of the host over which the root is mounted while it is made */
export function buildTemplatePlan(skeleton: Skeleton, folder: string): WholePlan<keyof typeof inherited> {
  // A descriptor that is free between the steps.
  const free = hold + 1;
  return planOf(inherited, free, [
    ...openSteps(skeleton, folder, free),
    ...skeletonSteps(skeleton, ""),
    ...bindSteps(skeleton, free),
    ...protectSteps,
    closeRangeStep(end, free + 1),
    ...holdSteps(),
  ]);
}

/**
 * As {@link buildTemplatePlan}, for a root that is made of a folder, which is the descriptor `base`: overlayfs(5). The
 * skeleton is the layer above the folder, so that no name in the folder can stand in the place of one of the skeleton's,
 * and none of the folder's symlinks is followed. The root has neither devices nor set-user-ID programs. No layer is told
 * where to look by extended attributes, which somebody may have unpacked with the folder.
 */
export function buildFolderRootPlan(
  skeleton: Skeleton,
  folder: string,
  { isWritable }: { readonly isWritable: boolean },
): WholePlan<keyof typeof inheritedWithBase> {
  const { MS_NOSUID, MS_NODEV, MS_RDONLY, MNT_DETACH } = k;
  const free = inheritedWithBase.base + 1;
  const base = free + 1;
  const name = "make the root of root_dir";
  const layers = ["/skeleton", "/base", "/root", ...(isWritable ? ["/upper", "/work"] : [])];
  const changes = isWritable ? ",upperdir=/upper,workdir=/work" : "";
  const options = `lowerdir=/skeleton:/base${changes},redirect_dir=nofollow,metacopy=off`;
  const how = flags({ MS_NOSUID, MS_NODEV, ...(isWritable ? {} : { MS_RDONLY }) });
  return planOf(inheritedWithBase, free, [
    // Mounts in the folder are not the job's.
    { name: "open root_dir", call: "open_tree", args: [inheritedWithBase.base, "", copyOne] },
    { name: "open root_dir", call: "dup3", args: [free, base, closeOnExec] },
    { name: "open root_dir", call: "close", args: [free] },
    ...openSteps(skeleton, folder, free, base + 1),
    ...layers.map((path): Step => ({ name, call: "mkdirat", args: [anyFolder, path, octal(0o755)] })),
    ...skeletonSteps(skeleton, "/skeleton"),
    mountStep(name, base, "/base"),
    { name, call: "mount", args: ["exec2", "/root", "overlay", how, options], hints: overlayHints },
    { name, call: "chdir", args: ["/root"] },
    // The overlay keeps its layers.
    { name, call: "pivot_root", args: [".", "."] },
    { name, call: "umount2", args: [".", flags({ MNT_DETACH })] },
    { name, call: "chdir", args: ["/"] },
    ...bindSteps(skeleton, free, base + 1),
    closeRangeStep(end, free),
    ...holdSteps(),
  ]);
}

const { OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_EMPTY_PATH, O_CLOEXEC } = k;
const copyOne = flags({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_EMPTY_PATH });
const closeOnExec = flags({ O_CLOEXEC });

const overlayHints: Hints = {
  ENODEV: "The kernel has no overlay file system, of which root_dir makes the task's root: modprobe overlay",
  EINVAL: "The file system of the allocation cannot be a layer of an overlay: see dmesg, and overlayfs(5)",
};

function planOf<Name extends string>(
  inherited: Descriptors<Name>,
  free: number,
  task: readonly Step[],
): WholePlan<Name> {
  return {
    initName: "exec2-root",
    inherited,
    outlivesPlugin: false,
    steps: { ...noSteps, parent: parentSteps(free), task },
  };
}

/** The early part of the plan's table is too small for all steps, so the last step reads the late part. */
function parentSteps(free: number): Step[] {
  return [
    endWithParentStep("end with the plugin"),
    closeRangeStep("close inherited descriptors", free),
    readRestStep({ kind: "endOfFile", ended: "abandoned", otherwise: "task" }),
  ];
}

const root = "make the root";
const end = "let the plugin open it";

/**
 * Opens what the root has of the host, and enters an empty root.
 * @param free a free descriptor
 * @param trees the first of the descriptors of copied mounts: one for each bind
 */
function openSteps({ binds }: Skeleton, folder: string, free: number, trees = free + 1): Step[] {
  const { CLONE_NEWNS, MS_REC, MS_SLAVE, MS_NOSUID, MS_NODEV, MS_NOEXEC, MNT_DETACH } = k;
  const enter = "enter the root";
  return [
    { name: "leave the host's mounts", call: "unshare", args: [flags({ CLONE_NEWNS })] },
    // No later mount may propagate to the host.
    {
      name: "leave the host's mounts",
      call: "mount",
      args: ["none", "/", 0, flags({ MS_REC, MS_SLAVE }), 0],
    },
    ...binds.flatMap((bind, index) =>
      copyTreeWithoutLinksSteps(`open ${bind.path}`, treeOf(bind), free, trees + index),
    ),
    {
      name: root,
      call: "mount",
      args: ["exec2", folder, "tmpfs", flags({ MS_NOSUID, MS_NODEV, MS_NOEXEC }), "mode=755"],
    },
    { name: enter, call: "chdir", args: [folder] },
    // pivot_root(2): the old root is then mounted over the new one, and is unmounted.
    { name: enter, call: "pivot_root", args: [".", "."] },
    { name: enter, call: "umount2", args: [".", flags({ MNT_DETACH })] },
    { name: enter, call: "chdir", args: ["/"] },
    { name: root, call: "umask", args: [0] },
  ];
}

/** @param at the folder that gets the skeleton; empty for the root */
function skeletonSteps({ folders, links, files }: Skeleton, at: string): Step[] {
  const { S_IFREG } = k;
  return [
    ...folders.map(
      (path): Step => ({ name: root, call: "mkdirat", args: [anyFolder, `${at}${path}`, octal(0o755)] }),
    ),
    ...links.map(
      ({ path, target }): Step => ({
        name: root,
        call: "symlinkat",
        args: [target, anyFolder, `${at}${path}`],
      }),
    ),
    ...files.map(
      (path): Step => ({
        name: root,
        call: "mknodat",
        args: [anyFolder, `${at}${path}`, octal(S_IFREG | 0o444), 0],
      }),
    ),
  ];
}

function bindSteps({ binds }: Skeleton, free: number, trees = free + 1): Step[] {
  return binds.map(({ path }, index) => mountStep(`mount ${path}`, trees + index, path));
}

const readOnly = mountAttr(MOUNT_ATTR_RDONLY);
const protectSteps: readonly Step[] = [
  {
    name: "protect the root",
    call: "mount_setattr",
    args: [anyFolder, "/", 0, bytes(readOnly, "{attr_set: MOUNT_ATTR_RDONLY}"), readOnly.length],
  },
];

function treeOf({ path, writable, devices }: RootBind) {
  const { MS_SLAVE } = k;
  const attributes: Flags = flags({
    MOUNT_ATTR_NOSUID,
    ...(writable ? {} : { MOUNT_ATTR_RDONLY }),
    ...(devices ? {} : { MOUNT_ATTR_NODEV }),
  });
  return { source: path, attributes, propagation: flags({ MS_SLAVE }) };
}
