/** What a driver's answer to Capabilities makes a Nomad client do with its tasks. Pure. */
import { DriverError } from "../../errors.ts";
import {
  type DriverCapabilities,
  DriverCapabilities_FSIsolation as FsIsolation,
  DriverCapabilities_MountConfigs as MountConfigs,
  NetworkIsolationSpec_NetworkIsolationMode as NetworkMode,
} from "../../grpc/generated/nomad/driver.ts";

/** Paths of folders that a task is told of. */
export interface TaskPaths {
  readonly alloc: string;
  readonly task: string;
  readonly secrets: string;
}

/** What a group asks for that is not every driver's. */
export interface GroupWish {
  readonly networkMode: NetworkMode;
  /** Whether its network has a host name. */
  readonly hostname: boolean;
  /** Whether tasks of it mount volumes. */
  readonly volumes: boolean;
}

/** Whether log pipes are made and read. Their paths are told to the driver in any case. */
export function collectsLogs({ disableLogCollection }: DriverCapabilities): boolean {
  return !disableLogCollection;
}

/** Whether a task without a user gets one of the client's; otherwise the driver hears of none. */
export function lendsUsers({ dynamicWorkloadUsers }: DriverCapabilities): boolean {
  return dynamicWorkloadUsers;
}

/** As a task is told of its folders: where they are on the host, or in the root that the driver makes for it. */
export function pathsInTask({ fsIsolation }: DriverCapabilities, onHost: TaskPaths): TaskPaths {
  const ownRoot = fsIsolation === FsIsolation.CHROOT || fsIsolation === FsIsolation.IMAGE;
  return ownRoot ? { alloc: "/alloc", task: "/local", secrets: "/secrets" } : onHost;
}

/**
 * Called before any task of an allocation starts.
 * @throws DriverError `UNSUPPORTED` where a client fails the allocation
 */
export function refuseUnsupported(capabilities: DriverCapabilities, wish: GroupWish): void {
  const { networkIsolationModes, mustCreateNetwork, mountConfigs } = capabilities;
  const { networkMode, hostname, volumes } = wish;
  if (!networkIsolationModes.includes(networkMode)) {
    throw new DriverError(
      "UNSUPPORTED",
      `a client gives this driver's tasks no network ${nameOf(networkMode)}`,
      {
        hint: `Choose one of the driver's: ${networkIsolationModes.map(nameOf).join(", ")}`,
      },
    );
  }
  if (hostname && !mustCreateNetwork) {
    throw new DriverError("UNSUPPORTED", "a client refuses network { hostname } for this driver", {
      hint: "Only drivers that make networks themselves may have it. Name the hosts that a task looks up in its option extra_hosts; what it is to call itself belongs in its env",
    });
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
