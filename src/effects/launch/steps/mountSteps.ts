/** Steps that set up a run's own mount namespace. */
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
    // Later mounts of the host propagate to the task, but no mount of the task propagates to the host.
    {
      name: "make mounts slaves of the host's",
      call: "mount",
      args: ["none", "/", 0, flags({ MS_REC, MS_SLAVE }), 0],
    },
    // Before anything is mounted over their sources.
    ...mounts.flatMap(openTreeSteps),
    // In the host's pid namespace the host's own /proc is right. It may be mounted with hidepid.
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

/** Does not follow a symlink: the task owns the parent of its private `/tmp`, and may have put one there. */
function privateTmpSteps(source: string): Step[] {
  return bindSteps("mount private /tmp", source, "/tmp", {
    tree: flags({ OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC, AT_SYMLINK_NOFOLLOW }),
    attributes: flags({ MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV }),
  });
}
