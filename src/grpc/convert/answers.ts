/** Converts the driver's answers into protobuf messages. Pure. */
import type {
  Capabilities,
  ExitResult,
  Fingerprint,
  StartedTask,
  TaskEventMessage,
  TaskStatus,
  TaskUsage,
} from "../../driver/driverPort.ts";
import type { MemoryFigures } from "../../effects/cgroup/cgroupFigures.ts";
import type { CpuUsage, ResourceUsage } from "../../effects/stats/usage.ts";
import type { Attribute } from "../generated/nomad/attribute.ts";
import {
  type CPUUsage,
  CPUUsage_Fields as CpuField,
  type DriverCapabilities,
  type DriverTaskEvent,
  type ExitResult as ExitResultMessage,
  type FingerprintResponse,
  DriverCapabilities_FSIsolation as FsIsolation,
  FingerprintResponse_HealthState as Health,
  type InspectTaskResponse,
  MemoryUsage_Fields as MemoryField,
  type MemoryUsage,
  DriverCapabilities_MountConfigs as MountConfigs,
  NetworkIsolationSpec_NetworkIsolationMode as NetworkMode,
  StartTaskResponse_Result as StartResult,
  type StartTaskResponse,
  type TaskConfig,
  type TaskResourceUsage,
  TaskState,
  type TaskStats,
} from "../generated/nomad/driver.ts";
import { timestampOf } from "./time.ts";

const fsIsolation = {
  none: FsIsolation.NONE,
  chroot: FsIsolation.CHROOT,
  image: FsIsolation.IMAGE,
  unveil: FsIsolation.UNVEIL,
};
const networkMode = {
  host: NetworkMode.HOST,
  group: NetworkMode.GROUP,
  task: NetworkMode.TASK,
  none: NetworkMode.NONE,
};
const mountConfigs = { any: MountConfigs.ANY_MOUNTS, none: MountConfigs.NO_MOUNTS };
const health = { undetected: Health.UNDETECTED, unhealthy: Health.UNHEALTHY, healthy: Health.HEALTHY };
const taskState = { unknown: TaskState.UNKNOWN, running: TaskState.RUNNING, exited: TaskState.EXITED };

/** Version of the agent's handles, not of the driver's part in them. */
const handleVersion = 1;

export function capabilitiesOf(capabilities: Capabilities): DriverCapabilities {
  return {
    sendSignals: capabilities.sendSignals,
    exec: capabilities.exec,
    fsIsolation: fsIsolation[capabilities.fsIsolation],
    networkIsolationModes: capabilities.networkModes.map((mode) => networkMode[mode]),
    mustCreateNetwork: false,
    mountConfigs: mountConfigs[capabilities.mountConfigs],
    disableLogCollection: capabilities.disableLogCollection,
    dynamicWorkloadUsers: capabilities.dynamicWorkloadUsers,
  };
}

export function fingerprintOf(fingerprint: Fingerprint): FingerprintResponse {
  const attributes = Object.entries(fingerprint.attributes).map(
    ([name, value]) => [name, attributeOf(value)] as const,
  );
  return {
    attributes: new Map(attributes),
    health: health[fingerprint.health],
    healthDescription: fingerprint.description,
    err: "",
  };
}

/**
 * The handle repeats the whole config, since agents pass only the handle at recovery. A failed
 * start has no such answer: agents read the status of the call, and ignore `result` and
 * `driver_error_msg`.
 */
export function startedOf(config: TaskConfig, { driverState, env }: StartedTask): StartTaskResponse {
  return {
    result: StartResult.SUCCESS,
    driverErrorMsg: "",
    handle: {
      version: handleVersion,
      config: { ...config, env: new Map(Object.entries(env)) },
      state: TaskState.RUNNING,
      driverState: Buffer.from(driverState),
    },
  };
}

export function exitOf(exit: ExitResult | undefined): ExitResultMessage {
  return {
    exitCode: exit?.exitCode ?? 0,
    signal: exit?.signal ?? 0,
    oomKilled: exit?.oomKilled ?? false,
  };
}

/** Agents read times and result without checks, so all fields are set, even if they have no meaning yet. */
export function inspectionOf(status: TaskStatus): InspectTaskResponse {
  return {
    task: {
      id: status.taskId,
      name: status.taskName,
      state: taskState[status.state],
      startedAt: timestampOf(status.startedAtMs),
      completedAt: timestampOf(status.completedAtMs),
      result: exitOf(status.exit),
    },
    driver: { attributes: new Map(Object.entries(status.attributes)) },
  };
}

export function taskEventOf(event: TaskEventMessage): DriverTaskEvent {
  const { taskId, allocId, taskName, message } = event;
  return {
    taskId,
    allocId,
    taskName,
    message,
    timestamp: timestampOf(event.timeMs),
    annotations: new Map(Object.entries(event.annotations)),
  };
}

function attributeOf(value: string | number | boolean): Attribute {
  if (typeof value === "string") return { value: { $case: "stringVal", value }, unit: "" };
  if (typeof value === "boolean") return { value: { $case: "boolVal", value }, unit: "" };
  const kind = Number.isSafeInteger(value) ? "intVal" : "floatVal";
  return { value: { $case: kind, value }, unit: "" };
}

export function taskStatsOf(id: string, { timeMs, total, processes }: TaskUsage): TaskStats {
  return {
    id,
    timestamp: timestampOf(timeMs),
    aggResourceUsage: resourcesOf(total),
    resourceUsageByPid: new Map([...processes].map(([pid, usage]) => [String(pid), resourcesOf(usage)])),
  };
}

function resourcesOf({ cpu, memory }: ResourceUsage): TaskResourceUsage {
  return { cpu: cpuOf(cpu), memory: memoryOf(memory) };
}

function cpuOf({ userPercent, systemPercent, mhz, throttled }: CpuUsage): CPUUsage {
  const { SYSTEM_MODE, USER_MODE, TOTAL_TICKS, THROTTLED_PERIODS, THROTTLED_TIME, PERCENT } = CpuField;
  return {
    systemMode: systemPercent,
    userMode: userPercent,
    totalTicks: mhz,
    throttledPeriods: throttled?.periods ?? 0,
    throttledTime: (throttled?.us ?? 0) * 1000,
    percent: userPercent + systemPercent,
    measuredFields: [
      SYSTEM_MODE,
      USER_MODE,
      TOTAL_TICKS,
      ...(throttled ? [THROTTLED_PERIODS, THROTTLED_TIME] : []),
      PERCENT,
    ],
  };
}

/** `measuredFields` omits unknown figures: otherwise their 0 would count as measured. */
function memoryOf(figures: MemoryFigures): MemoryUsage {
  const { RSS, CACHE, MAX_USAGE, KERNEL_USAGE, USAGE, SWAP } = MemoryField;
  const { rss, cache, maxUsage, kernelUsage, usage, swap } = figures;
  const fields = [
    [RSS, rss],
    [CACHE, cache],
    [MAX_USAGE, maxUsage],
    [KERNEL_USAGE, kernelUsage],
    [USAGE, usage],
    [SWAP, swap],
  ] as const;
  return {
    rss: rss ?? 0,
    cache: cache ?? 0,
    maxUsage: maxUsage ?? 0,
    kernelUsage: kernelUsage ?? 0,
    // cgroup v2 has no such figure.
    kernelMaxUsage: 0,
    usage: usage ?? 0,
    swap: swap ?? 0,
    measuredFields: fields.flatMap(([field, value]) => (value === undefined ? [] : [field])),
  };
}
