/** The files of a running task, as the task sees them. */
import { readlinkSync } from "node:fs";
import { DriverError } from "../../../base/errors.ts";
import { capabilitySet, everyCapability } from "../../../effects/kernel/capabilities.ts";
import type { TaskRootView } from "../../../effects/root/listRoot.ts";
import { pathsInTask, rightsAt } from "../../../history/access/rightsAt.ts";
import { visible } from "../../../units/visible.ts";
import type { OperatedTask } from "../../tasks/operator.ts";
import type { Files } from "./files.ts";

/** Copies into the task are made with its user's rights, and only where the task itself may write. */
export function taskFiles({ sandbox }: Pick<OperatedTask, "sandbox">, view: TaskRootView): Files {
  const { uid, gid, groups, capabilities } = sandbox;
  const isPrivileged = uid === 0 || capabilities !== null;
  const kept = capabilities === null ? everyCapability : capabilitySet(capabilities);
  return {
    open: (path) => view.open(path),
    checkTarget(folder, path) {
      const unveiled = sandbox.unveiled.flatMap((rule) =>
        pathsInTask(rule, sandbox).map((at) => ({ ...rule, path: view.resolve(at) ?? at })),
      );
      const { rights } = rightsAt(readlinkSync(`/proc/self/fd/${folder}`), unveiled);
      if (rights.includes("w") && rights.includes("c")) return;
      throw new DriverError("COPY_FAILED", `the task itself may not write at ${visible(path)}`, {
        hint: "What is there may be the host's own. nomad-driver-exec2 ls TASK PATH shows where the task may write (w, c)",
      });
    },
    user: { uid, gid, groups, capabilities: isPrivileged ? { kept } : undefined },
  };
}
