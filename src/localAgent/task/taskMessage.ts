/** Builds the Nomad client's description of a task for the driver. Pure. */

import type { TaskId } from "../../base/taskId.ts";
import {
  type DNSConfig,
  NetworkIsolationSpec_NetworkIsolationMode as NetworkMode,
  type TaskConfig,
} from "../../grpc/generated/nomad/driver.ts";
import type { AssignedPort } from "../allocation/ports.ts";
import type { Group, Job, Task } from "../jobspec/job.ts";
import type { ResolvedMount } from "../jobspec/resolve/resolveTask.ts";
import type { GroupFeatures } from "../plugin/clientRules.ts";

/** A mount with the path of its host volume. */
export interface PlacedVolume extends ResolvedMount {
  readonly path: string;
}

/** The parts of the description that come from the allocation. */
export interface TaskPlacement {
  /** `<allocation id>/<task name>/<8 hex digits>`. */
  readonly taskId: TaskId;
  readonly allocId: string;
  readonly allocDir: string;
  readonly stdoutPath: string;
  readonly stderrPath: string;
  readonly user: string;
  readonly cgroup: string;
  /** In the kernel's list format (`0-3,5`); empty unless the job reserves cores. */
  readonly cpusetCpus: string;
  readonly ports: readonly AssignedPort[];
  /** The namespace of the group's own network; undefined if it has none. */
  readonly networkPath: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** The options, as MessagePack. */
  readonly config: Buffer;
  readonly mounts: readonly PlacedVolume[];
  /** The allocation's own host name; undefined if it uses the host's name. */
  readonly hostname: string | undefined;
  readonly nodeName: string;
  readonly nodeId: string;
  /** MHz of the whole node. */
  readonly nodeMhz: number;
  /** MHz of the cores in {@link cpusetCpus}. */
  readonly coresMhz: number;
}

export function taskMessage(job: Job, group: Group, task: Task, placed: TaskPlacement): TaskConfig {
  return {
    id: placed.taskId,
    name: task.name,
    msgpackDriverConfig: placed.config,
    env: new Map(Object.entries(placed.env)),
    deviceEnv: new Map(),
    resources: resourcesMessage(task, placed),
    mounts: placed.mounts.map(({ path, destination, readOnly, propagation }) => ({
      hostPath: path,
      taskPath: destination,
      readonly: readOnly,
      propagationMode: propagation,
      selinuxLabel: "",
      requestName: "",
    })),
    devices: [],
    user: placed.user,
    allocDir: placed.allocDir,
    stdoutPath: placed.stdoutPath,
    stderrPath: placed.stderrPath,
    taskGroupName: group.name,
    jobName: job.name,
    allocId: placed.allocId,
    networkIsolationSpec: networkMessage(group, placed),
    dns: group.network.dns && dnsMessage(group.network.dns),
    jobId: job.id,
    namespace: job.namespace,
    nodeName: placed.nodeName,
    nodeId: placed.nodeId,
    parentJobId: "",
  };
}

function resourcesMessage(task: Task, placed: TaskPlacement): TaskConfig["resources"] {
  const { memoryMb, memoryMaxMb } = task.resources;
  const cpuShares = task.resources.cpuMhz || placed.coresMhz;
  return {
    allocatedResources: {
      cpu: { cpuShares },
      memory: { memoryMb, memoryMaxMb: memoryMaxMb ?? 0 },
      networks: [],
    },
    linuxResources: {
      cpuPeriod: 0,
      cpuQuota: 0,
      cpuShares,
      memoryLimitBytes: Math.max(memoryMb, memoryMaxMb ?? 0) * 1024 * 1024,
      oomScoreAdj: 0,
      cpusetCpus: placed.cpusetCpus,
      cpusetCgroup: placed.cgroup,
      PercentTicks: placed.nodeMhz > 0 ? cpuShares / placed.nodeMhz : 0,
    },
    ports: placed.ports.map(({ label, ip, port, inside }) => ({
      label,
      value: port,
      to: inside === port ? 0 : inside,
      hostIp: ip,
    })),
  };
}

const networkModes = { host: NetworkMode.HOST, none: NetworkMode.NONE, bridge: NetworkMode.GROUP };

/** The features of a group that not every driver supports. */
export function featuresOf({ network, tasks }: Group): GroupFeatures {
  return {
    networkMode: networkModes[network.mode],
    hostname: network.hostname !== undefined,
    volumes: tasks.some(({ volumeMounts }) => volumeMounts.length > 0),
  };
}

/** The client omits this field for the host's network. */
function networkMessage(
  { network }: Group,
  { networkPath = "", hostname }: TaskPlacement,
): TaskConfig["networkIsolationSpec"] {
  if (network.mode === "host") return undefined;
  return {
    mode: networkModes[network.mode],
    path: networkPath,
    labels: new Map(),
    // A network with only loopback has no address.
    hostsConfig: hostname === undefined ? undefined : { hostname, address: "" },
  };
}

function dnsMessage({ servers, searches, options }: NonNullable<Group["network"]["dns"]>): DNSConfig {
  return { servers: [...servers], searches: [...searches], options: [...options] };
}
