/**
 * Steps that mount volumes and devices. All sources are opened first, as detached
 * trees, because a mount may hide the source of another one.
 */
import * as k from "../../kernel/constants.ts";
import { openHow } from "../../kernel/structs.ts";
import type { HiddenPath, LaunchMount } from "../launchInput.ts";
import { bytes, descriptors, flags, type Step } from "../plan.ts";
import { attributesStep } from "./bindSteps.ts";
import { anyFolder, closeScratchStep } from "./fileSteps.ts";

const { OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_RECURSIVE, AT_EMPTY_PATH, O_CLOEXEC, O_PATH } = k;
const { MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC } = k;
const { MS_PRIVATE, MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, RESOLVE_NO_SYMLINKS } = k;
const { MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH } = k;

/** Opens a mount's source. The copy is a slave mount, since the run's mounts are slaves of the host's. */
export function openTreeSteps(mount: LaunchMount, index: number): Step[] {
  const name = `open the ${mount.kind} for ${mount.target}`;
  const tree = flags({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_RECURSIVE });
  const propagation = mount.propagation === "private" ? flags({ MS_PRIVATE }) : undefined;
  return [
    { name, call: "open_tree", args: [anyFolder, mount.source, tree] },
    attributesStep(name, attributesOf(mount), propagation),
    { name, call: "dup3", args: [descriptors.scratch, descriptors.trees + index, flags({ O_CLOEXEC })] },
    closeScratchStep(name),
  ];
}

/** Mounts the tree. Refuses symlinks: a task may have put one into the path since the plugin checked it. */
export function mountTreeSteps({ kind, target }: LaunchMount, index: number): Step[] {
  const name = `mount the ${kind} ${target}`;
  const how = openHow({ flags: O_PATH | O_CLOEXEC, resolve: RESOLVE_NO_SYMLINKS });
  const meaning = "{flags: O_PATH|O_CLOEXEC, resolve: RESOLVE_NO_SYMLINKS}";
  const tree = descriptors.trees + index;
  return [
    { name, call: "openat2", args: [anyFolder, target, bytes(how, meaning), how.length] },
    {
      name,
      call: "move_mount",
      args: [tree, "", descriptors.scratch, "", flags({ MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH })],
    },
    closeScratchStep(name),
    { name, call: "close", args: [tree] },
  ];
}

/** Mounts something over a path that no Landlock rule allows: an empty folder, or the status file. */
export function hideSteps({ path, isFolder }: HiddenPath): Step[] {
  const name = `hide ${path}`;
  if (isFolder) {
    const how = flags({ MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC });
    return [{ name, call: "mount", args: ["none", path, "tmpfs", how, "mode=0"] }];
  }
  const tree = flags({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_EMPTY_PATH });
  return [
    { name, call: "open_tree", args: [descriptors.status, "", tree] },
    attributesStep(
      name,
      flags({ MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC }),
    ),
    {
      name,
      call: "move_mount",
      args: [descriptors.scratch, "", anyFolder, path, flags({ MOVE_MOUNT_F_EMPTY_PATH })],
    },
    closeScratchStep(name),
  ];
}

/** Devices cannot be executed. Volumes provide neither devices nor set-user-ID programs. */
function attributesOf({ kind, readOnly }: LaunchMount) {
  if (kind === "device") return flags({ MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOEXEC });
  const base = { MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV };
  return flags(readOnly ? { MOUNT_ATTR_RDONLY, ...base } : base);
}
