/** Steps that change what a run sees of the file system, in its own mount namespace. */
import * as k from "../../kernel/constants.ts";
import type { EarlyInput } from "../launchInput.ts";
import { flags, type Step } from "../plan.ts";
import { bindSteps } from "./bindSteps.ts";
import { hideSteps, mountTreeSteps, openTreeSteps } from "./volumeSteps.ts";

const { MS_REC, MS_SLAVE, MS_NOSUID, MS_NODEV, MS_NOEXEC } = k;
const { OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_RECURSIVE, AT_SYMLINK_NOFOLLOW } = k;
const { MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV } = k;

export function mountSteps({ runCgroup, binds, mounts, hidden, privateTmp }: EarlyInput): Step[] {
  return [
    // Mounts that the host makes later show up in the task, none of the task's shows up on the host.
    {
      name: "keep mounts from the host",
      call: "mount",
      args: ["none", "/", 0, flags({ MS_REC, MS_SLAVE }), 0],
    },
    // Before anything is mounted over their sources.
    ...mounts.flatMap(openTreeSteps),
    // In the host's pid namespace the host's own is the right one, and may be mounted with hidepid.
    ...(runCgroup ? [] : [mountProcStep()]),
    ...binds.flatMap(({ source, target, readOnly }) =>
      bindSteps(`mount ${target}`, source, target, {
        tree: flags({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_RECURSIVE }),
        attributes: readOnly ? flags({ MOUNT_ATTR_RDONLY }) : undefined,
      }),
    ),
    // After the binds, whose sources it may hide, and before the volumes, which may lie below it.
    ...(privateTmp === undefined ? [] : privateTmpSteps(privateTmp)),
    ...mounts.flatMap(mountTreeSteps),
    ...hidden.flatMap(hideSteps),
  ];
}

function mountProcStep(): Step {
  const how = flags({ MS_NOSUID, MS_NODEV, MS_NOEXEC });
  return { name: "mount /proc", call: "mount", args: ["proc", "/proc", "proc", how, 0] };
}

/** The task owns the folder around its own `/tmp` and may have put a symlink there: it is not followed. */
function privateTmpSteps(source: string): Step[] {
  return bindSteps("mount private /tmp", source, "/tmp", {
    tree: flags({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_SYMLINK_NOFOLLOW }),
    attributes: flags({ MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV }),
  });
}
