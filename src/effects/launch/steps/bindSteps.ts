/** Steps for bind mounts. */
import * as k from "../../kernel/constants.ts";
import { mountAttr } from "../../kernel/structs.ts";
import { bytes, descriptors, type Flags, flags, type Step } from "../plan.ts";
import { anyFolder, closeScratchStep } from "./fileSteps.ts";

const { AT_EMPTY_PATH, AT_RECURSIVE, MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_SYMLINKS } = k;

/**
 * A bind mount by open_tree(2), mount_setattr(2) and move_mount(2). The attributes
 * are added to those of the source's mount, also for mounts below it, and before the
 * mount is visible to anyone. A remount by mount(2) does none of that.
 */
export function bindSteps(
  name: string,
  source: string,
  target: string,
  how: { readonly tree: Flags; readonly attributes: Flags | undefined },
): Step[] {
  const tree = descriptors.scratch;
  return [
    { name, call: "open_tree", args: [anyFolder, source, how.tree] },
    ...(how.attributes === undefined ? [] : [attributesStep(name, how.attributes)]),
    {
      name,
      call: "move_mount",
      args: [tree, "", anyFolder, target, flags({ MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_SYMLINKS })],
    },
    closeScratchStep(name),
  ];
}

/** Adds attributes to all mounts of the tree that was opened last. By default leaves the propagation. */
export function attributesStep(name: string, attributes: Flags, propagation?: Flags): Step {
  const attr = mountAttr(attributes.value, propagation?.value);
  const set = `attr_set: ${attributes.names}${propagation ? `, propagation: ${propagation.names}` : ""}`;
  return {
    name,
    call: "mount_setattr",
    args: [
      descriptors.scratch,
      "",
      flags({ AT_EMPTY_PATH, AT_RECURSIVE }),
      bytes(attr, `{${set}}`),
      attr.length,
    ],
  };
}
