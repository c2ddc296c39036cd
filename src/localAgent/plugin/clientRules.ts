/** Rules by which a Nomad client treats tasks, given the driver's capabilities. Pure. */
import { DriverError } from "../../base/errors.ts";
import {
  type DriverCapabilities,
  DriverCapabilities_FSIsolation as FsIsolation,
  DriverCapabilities_MountConfigs as MountConfigs,
  NetworkIsolationSpec_NetworkIsolationMode as NetworkMode,
} from "../../grpc/generated/nomad/driver.ts";
import { hostnameRefusal } from "../jobspec/refusals.ts";

/** Paths of the folders that a task's environment names. */
export interface TaskPaths {
  readonly alloc: string;
  readonly task: string;
  readonly secrets: string;
}

/** Features that a group uses and that not every driver supports. */
export interface GroupFeatures {
  readonly networkMode: NetworkMode;
  /** Whether its network block sets a hostname. */
  readonly hostname: boolean;
  /** Whether any of its tasks mounts a volume. */
  readonly volumes: boolean;
}

/** Whether the client makes and reads log pipes. The driver gets their paths in any case. */
export function collectsLogs({ disableLogCollection }: DriverCapabilities): boolean {
  return !disableLogCollection;
}

/** Whether a task without a user gets a dynamic user. If not, the request names no user. */
export function hasDynamicUsers({ dynamicWorkloadUsers }: DriverCapabilities): boolean {
  return dynamicWorkloadUsers;
}

/** The paths of a task's folders as the task sees them: on the host, or in a root that the driver makes. */
export function pathsInTask({ fsIsolation }: DriverCapabilities, onHost: TaskPaths): TaskPaths {
  const ownRoot = fsIsolation === FsIsolation.CHROOT || fsIsolation === FsIsolation.IMAGE;
  return ownRoot ? { alloc: "/alloc", task: "/local", secrets: "/secrets" } : onHost;
}

/**
 * Checks a group before any of its tasks starts.
 * @throws DriverError `UNSUPPORTED` if a client would fail the allocation
 */
export function refuseUnsupported(capabilities: DriverCapabilities, features: GroupFeatures): void {
  const { networkIsolationModes, mustCreateNetwork, mountConfigs } = capabilities;
  const { networkMode, hostname, volumes } = features;
  if (!networkIsolationModes.includes(networkMode)) {
    throw new DriverError(
      "UNSUPPORTED",
      `a client refuses the network mode ${nameOf(networkMode)} for this driver`,
      {
        hint: `Choose one of the driver's: ${networkIsolationModes.map(nameOf).join(", ")}`,
      },
    );
  }
  if (hostname && !mustCreateNetwork) {
    throw new DriverError("UNSUPPORTED", hostnameRefusal.message, { hint: hostnameRefusal.hint });
  }
  if (volumes && mountConfigs === MountConfigs.NO_MOUNTS) {
    throw new DriverError("UNSUPPORTED", "a client refuses volumes for this driver", {
      hint: "Leave out the volume_mount blocks",
    });
  }
}

const networkNames: Readonly<Record<number, string>> = {
  [NetworkMode.HOST]: "host",
  [NetworkMode.GROUP]: "group",
  [NetworkMode.TASK]: "task",
  [NetworkMode.NONE]: "none",
};

function nameOf(mode: NetworkMode): string {
  return networkNames[mode] ?? String(mode);
}
