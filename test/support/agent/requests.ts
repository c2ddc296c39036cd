/** Requests of an agent. */

import type { SetConfigRequest } from "../../../src/grpc/generated/nomad/base.ts";
import type { Mount, TaskConfig } from "../../../src/grpc/generated/nomad/driver.ts";
import { encodeMsgpack } from "../../../src/grpc/options.ts";

export const allocId = "0b0ff9d5-0000-4000-8000-000000000001";
export const taskId = `${allocId}/main/0123abcd`;

/** A complete task config as an agent sends it, with changes for the test. */
export function taskConfig(differing: Partial<TaskConfig> = {}): TaskConfig {
  return {
    id: taskId,
    name: "main",
    msgpackDriverConfig: encodeMsgpack({ command: "sleep", args: ["5"], unveil: null, oom_score_adj: null }),
    env: new Map([
      ["NOMAD_TASK_NAME", "main"],
      ["EMPTY", ""],
    ]),
    deviceEnv: new Map(),
    mounts: [],
    devices: [],
    user: "nomad-80001",
    allocDir: `/data/alloc/${allocId}`,
    stdoutPath: "/dev/null",
    stderrPath: "/dev/null",
    taskGroupName: "only",
    jobName: "job",
    allocId,
    jobId: "job",
    namespace: "default",
    nodeName: "node",
    nodeId: "11111111-0000-4000-8000-000000000001",
    parentJobId: "",
    ...differing,
  };
}

/** A volume as an agent sends it, with changes for the test. */
export function volumeMount(hostPath: string, taskPath: string, differing: Partial<Mount> = {}): Mount {
  return {
    taskPath,
    hostPath,
    readonly: false,
    propagationMode: "private",
    selinuxLabel: "",
    requestName: "",
    ...differing,
  };
}

/**
 * The SetConfig request of an agent's third launch. If `node` is false, the request of the launch that only
 * validates options.
 */
export function setConfig(options: Readonly<Record<string, unknown>> = {}, node = true): SetConfigRequest {
  const core = { socketId: 0, nodeId: 0, coreGrade: 0, disable: false, maxSpeed: 0, guessSpeed: 0 } as const;
  const topology = {
    nodeIds: [0],
    cores: [
      { ...core, coreId: 0, baseSpeed: 2445 },
      { ...core, coreId: 1, baseSpeed: 2445 },
    ],
    overrideTotalCompute: 8000,
    overrideWitholdCompute: 0,
  };
  return {
    msgpackConfig: encodeMsgpack(options),
    pluginApiVersion: "v0.1.0",
    nomadConfig: node
      ? { driver: { ClientMaxPort: 14512, ClientMinPort: 14000, Topology: topology } }
      : undefined,
  };
}
