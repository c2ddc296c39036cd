/** Steps that change what a run sees of the file system, in its own mount namespace. */
import * as k from "../kernel/constants.ts";
import { mountAttr } from "../kernel/structs.ts";
import { anyFolder, closeScratchStep } from "./fileSteps.ts";
import type { LaunchInput } from "./launchInput.ts";
import { bytes, descriptors, type Flags, flags, type Step } from "./plan.ts";

const { MS_REC, MS_SLAVE, MS_NOSUID, MS_NODEV, MS_NOEXEC } = k;
const { OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH } = k;
const { MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_SYMLINKS } = k;
const { MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV } = k;

export function mountSteps({ binds, privateTmp }: LaunchInput): Step[] {
  return [
    // Mounts that the host makes later show up in the task, none of the task's shows up on the host.
    {
      name: "keep mounts from the host",
      call: "mount",
      args: ["none", "/", 0, flags({ MS_REC, MS_SLAVE }), 0],
    },
    {
      name: "mount /proc",
      call: "mount",
      args: ["proc", "/proc", "proc", flags({ MS_NOSUID, MS_NODEV, MS_NOEXEC }), 0],
    },
    // Before the binds, which may lie below it.
    ...(privateTmp === undefined ? [] : privateTmpSteps(privateTmp)),
    ...binds.flatMap(({ source, target, readOnly }) =>
      bindSteps(`mount ${target}`, source, target, {
        tree: flags({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_RECURSIVE }),
        attributes: readOnly ? flags({ MOUNT_ATTR_RDONLY }) : undefined,
      }),
    ),
  ];
}

/** The task owns the folder around its own `/tmp` and may have put a symlink there: it is not followed. */
function privateTmpSteps(source: string): Step[] {
  return bindSteps("mount private /tmp", source, "/tmp", {
    tree: flags({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_SYMLINK_NOFOLLOW }),
    attributes: flags({ MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV }),
  });
}

/**
 * A bind mount by open_tree(2), mount_setattr(2) and move_mount(2). Attributes
 * are added to those that the source's mount has, for mounts below it too, and
 * before anyone can see it: a remount by mount(2) does none of that.
 */
function bindSteps(
  name: string,
  source: string,
  target: string,
  how: { readonly tree: Flags; readonly attributes: Flags | undefined },
): Step[] {
  const tree = descriptors.scratch;
  return [
    { name, call: "open_tree", args: [anyFolder, source, how.tree] },
    ...(how.attributes === undefined ? [] : [attributesStep(name, tree, how.attributes)]),
    {
      name,
      call: "move_mount",
      args: [tree, "", anyFolder, target, flags({ MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_SYMLINKS })],
    },
    closeScratchStep(name),
  ];
}

function attributesStep(name: string, tree: number, attributes: Flags): Step {
  const attr = mountAttr(attributes.value);
  return {
    name,
    call: "mount_setattr",
    args: [
      tree,
      "",
      flags({ AT_EMPTY_PATH, AT_RECURSIVE }),
      bytes(attr, `{attr_set: ${attributes.names}}`),
      attr.length,
    ],
  };
}
