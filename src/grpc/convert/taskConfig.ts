/** Converts Nomad's TaskConfig to the driver's own types. Pure. */

import type { TaskNetwork, TaskRequest, TaskResources } from "../../config/task/taskRequest.ts";
import { DriverError } from "../../errors.ts";
import { toTaskId } from "../../taskId.ts";
import {
  NetworkIsolationSpec_NetworkIsolationMode as Mode,
  type NetworkIsolationSpec,
  type Resources,
  type TaskConfig,
} from "../generated/nomad/driver.ts";
import { deviceOf, mountOf } from "./taskMounts.ts";

/** A request without its options, which are encoded separately. */
export type RequestWithoutOptions = Omit<TaskRequest, "options">;

/**
 * @throws DriverError `UNSUPPORTED` for a kind of network or mount that the driver does not support
 * @throws DriverError `CONFIG_INVALID` for a device without permissions
 */
export function requestOf(config: TaskConfig): RequestWithoutOptions {
  return {
    taskId: toTaskId(config.id),
    taskName: config.name,
    allocId: config.allocId,
    groupName: config.taskGroupName,
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
