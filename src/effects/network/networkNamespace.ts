/** Checks the allocation's network namespace, which the agent created. */
import { statfsSync } from "node:fs";
import type { TaskNetwork } from "../../config/task/taskRequest.ts";
import { DriverError, errnoOf } from "../../errors.ts";
import { NSFS_MAGIC } from "../kernel/constants.ts";

/**
 * Checks the namespace's path, for a clear error. Without the check, a missing path, or a plain file in place
 * of the mounted namespace, would fail the launch with little more than an errno. When the task joins the
 * namespace, the kernel checks that it is a *network* namespace.
 * @throws DriverError `NETWORK_NAMESPACE_INVALID`
 */
export function checkNetworkNamespace({ mode, path }: Pick<TaskNetwork, "mode" | "path">): void {
  if (path === "") {
    if (mode === "group") throw invalid("the agent names no network namespace for the allocation");
    return;
  }
  if (typeAt(path) !== NSFS_MAGIC) throw invalid(`${path} is not a network namespace`);
}

function typeAt(path: string): number {
  try {
    return statfsSync(path).type;
  } catch (thrown) {
    throw invalid("the allocation's network namespace does not exist", {
      failed: { call: "statfs", path, errno: errnoOf(thrown) ?? String(thrown) },
      cause: thrown,
    });
  }
}

function invalid(summary: string, options = {}): DriverError {
  return new DriverError("NETWORK_NAMESPACE_INVALID", summary, {
    ...options,
    hint: "A reboot of the host removes it: stop the allocation, so that Nomad replaces it",
  });
}
