/** Converts agents' messages about tasks and the node into the driver's own types. Pure. */

import { DriverError } from "../../base/errors.ts";
import { toTaskId } from "../../base/taskId.ts";
import type { NodeTopology, TaskResources } from "../../effects/cgroup/nodeTopology.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import type { Propagation, TaskDevice, TaskMount } from "../../effects/layout/layout.ts";
import type { TaskNetwork } from "../../effects/network/network.ts";
import type { NomadConfig } from "../generated/nomad/base.ts";
import {
  type Device,
  NetworkIsolationSpec_NetworkIsolationMode as Mode,
  type Mount,
  type NetworkIsolationSpec,
  type Resources,
  type TaskConfig,
} from "../generated/nomad/driver.ts";

/**
 * The request without its options, which are encoded separately, and without what depends on them.
 * @throws DriverError `UNSUPPORTED` for a kind of network or mount that the driver does not support
 * @throws DriverError `CONFIG_INVALID` for a device with invalid permissions
 */
export function requestOf(config: TaskConfig): Omit<TaskRequest, "options" | "output"> {
  return {
    taskId: toTaskId(config.id),
    taskName: config.name,
    allocId: config.allocId,
    groupName: config.taskGroupName,
    allocIndex: indexOf(config.env),
    jobId: config.jobId,
    jobName: config.jobName,
    namespace: config.namespace,
    nodeId: config.nodeId,
    nodeName: config.nodeName,
    env: Object.fromEntries([...config.deviceEnv, ...config.env]),
    user: config.user,
    allocDir: config.allocDir,
    stdoutPath: config.stdoutPath,
    stderrPath: config.stderrPath,
    resources: resourcesOf(config.resources),
    network: networkOf(config.networkIsolationSpec),
    dns: config.dns,
    mounts: config.mounts.map(mountOf),
    devices: config.devices.map(deviceOf),
  };
}

/**
 * The allocation's number, which only the task's environment has. No other text than a small number is taken, so
 * that nothing else of the environment becomes known.
 */
function indexOf(env: TaskConfig["env"]): number | null {
  const text = env.get("NOMAD_ALLOC_INDEX") ?? "";
  return /^\d{1,5}$/.test(text) ? Number(text) : null;
}

function resourcesOf(resources: Resources | undefined): TaskResources {
  const { cpu, memory } = resources?.allocatedResources ?? {};
  const linux = resources?.linuxResources;
  return {
    cpuMhz: cpu?.cpuShares ?? 0,
    memoryMb: memory?.memoryMb ?? 0,
    memoryMaxMb: memory?.memoryMaxMb ?? 0,
    cpusetCpus: linux?.cpusetCpus ?? "",
    cgroup: linux?.cpusetCgroup ?? "",
  };
}

function networkOf(spec: NetworkIsolationSpec | undefined): TaskNetwork {
  if (spec === undefined) return { mode: "host", path: "", self: undefined };
  const { path, hostsConfig } = spec;
  const { hostname: name = "", address = "" } = hostsConfig ?? {};
  return { mode: modeOf(spec.mode), path, self: name === "" ? undefined : { name, address } };
}

function modeOf(mode: Mode): TaskNetwork["mode"] {
  if (mode === Mode.HOST) return "host";
  if (mode === Mode.GROUP) return "group";
  if (mode === Mode.NONE) return "none";
  throw new DriverError("UNSUPPORTED", `the driver does not know the network isolation mode ${mode}`);
}

/** @throws DriverError `UNSUPPORTED` for a mount with properties that the driver does not support */
function mountOf(mount: Mount): TaskMount {
  const { taskPath, hostPath, readonly: readOnly, selinuxLabel } = mount;
  if (selinuxLabel !== "") {
    throw new DriverError(
      "UNSUPPORTED",
      `the mount ${taskPath} asks for the SELinux label "${selinuxLabel}"`,
      {
        hint: "The driver relabels no files: label them on the host, and leave selinux_label out",
      },
    );
  }
  return { source: hostPath, target: taskPath, readOnly, propagation: propagationOf(mount) };
}

/** @throws DriverError `CONFIG_INVALID` for invalid permissions */
function deviceOf({ taskPath, hostPath, cgroupPermissions }: Device): TaskDevice {
  if (!/^[rwm]+$/.test(cgroupPermissions) || cgroupPermissions === "m") {
    throw new DriverError(
      "CONFIG_INVALID",
      `the device ${taskPath} has the permissions ${JSON.stringify(cgroupPermissions)}`,
      { hint: "The device plugin has to give r, w or both (and m, which changes nothing here)" },
    );
  }
  return {
    source: hostPath,
    target: taskPath,
    read: cgroupPermissions.includes("r"),
    write: cgroupPermissions.includes("w"),
  };
}

/** Old agents leave the mode empty for `private`. */
function propagationOf({ propagationMode, taskPath }: Mount): Propagation {
  switch (propagationMode) {
    case "":
    case "private":
      return "private";
    case "host-to-task":
      return "host-to-task";
    case "bidirectional":
      throw new DriverError("UNSUPPORTED", `the mount ${taskPath} asks for bidirectional propagation`, {
        hint: "Landlock lets no task mount anything, so nothing could reach the host: use host-to-task",
      });
    default:
      throw new DriverError(
        "UNSUPPORTED",
        `the mount ${taskPath} asks for the propagation mode "${propagationMode}"`,
        {
          hint: "The driver knows private and host-to-task",
        },
      );
  }
}

/** The node's processors, from SetConfig. */
export function topologyOf({ driver }: NomadConfig): NodeTopology {
  const topology = driver?.Topology;
  const cores = topology?.cores ?? [];
  return {
    cores: cores.map((core) => ({
      coreId: core.coreId,
      baseMhz: core.baseSpeed,
      maxMhz: core.maxSpeed,
      guessMhz: core.guessSpeed,
      disabled: core.disable,
    })),
    overrideTotalMhz: topology?.overrideTotalCompute ?? 0,
  };
}
