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
import { bytes, type Flags, flags, noSteps, octal, type Step, type WholePlan } from "../plan/plan.ts";
import type { RootBind, Skeleton } from "./skeleton.ts";
import { copyTreeWithoutLinksSteps, mountStep } from "./treeSteps.ts";

const { MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV } = k;

const inherited = { hold };
/** A descriptor that is free between the steps. */
const free = hold + 1;
/** The first of the descriptors of copied mounts: one for each bind. */
const trees = free + 1;

/** @param folder a folder of the host over which the root is mounted while it is made */
export function buildTemplatePlan(skeleton: Skeleton, folder: string): WholePlan<keyof typeof inherited> {
  return {
    initName: "exec2-root",
    inherited,
    outlivesPlugin: false,
    steps: { ...noSteps, parent: parentSteps(), task: rootSteps(skeleton, folder) },
  };
}

/** The early part of the plan's table is too small for all steps, so the last step reads the late part. */
function parentSteps(): Step[] {
  return [
    endWithParentStep("end with the plugin"),
    closeRangeStep("close inherited descriptors", free),
    readRestStep({ kind: "endOfFile", ended: "abandoned", otherwise: "task" }),
  ];
}

function rootSteps({ folders, links, files, binds }: Skeleton, folder: string): Step[] {
  const { CLONE_NEWNS, MS_REC, MS_SLAVE, MS_NOSUID, MS_NODEV, MS_NOEXEC, MNT_DETACH, S_IFREG } = k;
  const root = "make the root";
  const enter = "enter the root";
  const readOnly = mountAttr(MOUNT_ATTR_RDONLY);
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
    ...folders.map((path): Step => ({ name: root, call: "mkdirat", args: [anyFolder, path, octal(0o755)] })),
    ...links.map(
      ({ path, target }): Step => ({ name: root, call: "symlinkat", args: [target, anyFolder, path] }),
    ),
    ...files.map(
      (path): Step => ({ name: root, call: "mknodat", args: [anyFolder, path, octal(S_IFREG | 0o444), 0] }),
    ),
    ...binds.map(({ path }, index) => mountStep(`mount ${path}`, trees + index, path)),
    {
      name: "protect the root",
      call: "mount_setattr",
      args: [anyFolder, "/", 0, bytes(readOnly, "{attr_set: MOUNT_ATTR_RDONLY}"), readOnly.length],
    },
    closeRangeStep("let the plugin open it", trees),
    ...holdSteps(),
  ];
}

function treeOf({ path, writable, devices }: RootBind) {
  const { MS_SLAVE } = k;
  const attributes: Flags = flags({
    MOUNT_ATTR_NOSUID,
    ...(writable ? {} : { MOUNT_ATTR_RDONLY }),
    ...(devices ? {} : { MOUNT_ATTR_NODEV }),
  });
  return { source: path, attributes, propagation: flags({ MS_SLAVE }) };
}
