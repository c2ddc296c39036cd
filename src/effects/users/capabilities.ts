/** The capabilities that a task starts with. They are a subset of this process's capabilities. */

import { DriverError } from "../../base/errors.ts";
import {
  type CapabilitySet,
  capabilitySet,
  formatCapabilities,
  noCapabilities,
} from "../kernel/capabilities.ts";
import { readKernelFile } from "../kernel/kernelFiles.ts";
import { type CapabilityOptions, refuseDisallowed, wantedCapabilities } from "./capabilityOptions.ts";

/** How a task's capability sets change; see capabilities(7). */
export interface TaskCapabilities {
  /** Permitted and effective; for users other than root also inheritable and ambient. */
  readonly kept: CapabilitySet;
  /** Removed from the bounding set, so that the task can never regain them. */
  readonly dropped: CapabilitySet;
}

/**
 * @param uid the task's uid
 * @returns undefined for the usual task: a user other than root, without capabilities. The change of user
 *   drops all of them, and no_new_privs keeps the task from regaining any, whatever the bounding set is
 * @throws DriverError `CONFIG_INVALID` for capabilities that the client does not allow
 * @throws DriverError `UNSUPPORTED` for capabilities that this process itself does not have
 */
export function taskCapabilities(
  uid: number,
  task: CapabilityOptions,
  { allowCaps }: { readonly allowCaps: readonly string[] },
): TaskCapabilities | undefined {
  if (uid !== 0 && task.capAdd.length === 0) return undefined;
  const allowed = capabilitySet(allowCaps);
  const own = ownCapabilities();
  const requested = wantedCapabilities(uid === 0 ? allowed & own.permitted : noCapabilities, task);
  refuseDisallowed(allowed, requested);
  const missing = requested & ~own.permitted;
  if (missing !== noCapabilities) {
    const text = `the driver itself lacks ${formatCapabilities(missing)}, and no task can have what the driver lacks`;
    throw new DriverError("UNSUPPORTED", text, {
      hint: "The Nomad agent has to run as root with all capabilities, outside of a container",
    });
  }
  return { kept: requested, dropped: own.bounding & ~requested };
}

/**
 * Like {@link taskCapabilities}, for a set that was decided before.
 * @param names capabilities that the task keeps
 */
export function keptCapabilities(names: readonly string[]): TaskCapabilities {
  const kept = capabilitySet(names);
  return { kept, dropped: ownCapabilities().bounding & ~kept };
}

interface OwnCapabilities {
  readonly permitted: CapabilitySet;
  readonly bounding: CapabilitySet;
}

let cached: OwnCapabilities | undefined;

/** The capabilities of this process, which do not change: proc_pid_status(5). */
function ownCapabilities(): OwnCapabilities {
  cached ??= { permitted: readSet("CapPrm"), bounding: readSet("CapBnd") };
  return cached;
}

function readSet(field: string): CapabilitySet {
  const status = readKernelFile("/proc/self/status") ?? "";
  return BigInt(`0x${new RegExp(`^${field}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "0"}`);
}
