/** Places a task: chooses its user, makes its folders and files, and builds the request to the driver. */

import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { type NodeTopology, nodeMhz } from "../../config/task/nodeTopology.ts";
import { encodeMsgpack } from "../../grpc/convert/msgpack.ts";
import type { DriverCapabilities, TaskConfig } from "../../grpc/generated/nomad/driver.ts";
import type { AttributeSpec } from "../../jobspec/driverConfig.ts";
import type { Job, Task } from "../../jobspec/job.ts";
import { InvalidFile, type JobFile, rejectJob } from "../../jobspec/jobFile.ts";
import { type ResolvedFile, resolveTask } from "../../jobspec/resolve/resolveTask.ts";
import { type TaskId, toTaskId } from "../../taskId.ts";
import { type Allocation, makeTaskFolders } from "../allocation/allocation.ts";
import { scopePath } from "../allocation/cgroupScope.ts";
import { type HostVolumes, volumePath } from "../allocation/hostVolumes.ts";
import { chooseUser } from "../allocation/taskUser.ts";
import { hasDynamicUsers, pathsInTask } from "../plugin/clientRules.ts";
import { logPipePath } from "./logReader.ts";
import { hostEnvironment, localNodeId, nodeFacts } from "./nodeFacts.ts";
import { taskMessage } from "./taskMessage.ts";

/** The inputs that all tasks of a job share. */
export interface Placement {
  readonly file: JobFile;
  readonly job: Job;
  readonly topology: NodeTopology;
  /** Paths of the host volumes, by name. */
  readonly hostVolumes: HostVolumes;
}

/** What a client queries from a driver before it starts or recovers a task. */
export interface DriverFacts {
  /** Attributes of a task's `config` block. */
  readonly taskSchema: readonly AttributeSpec[];
  readonly capabilities: DriverCapabilities;
}

/**
 * Makes the task's folders and files. Only names the cgroup and the log pipes: prepareTask.ts makes them.
 */
export async function placeTask(
  placement: Placement,
  { taskSchema, capabilities }: DriverFacts,
  allocation: Allocation,
  task: Task,
): Promise<TaskConfig> {
  const { file, job, topology, hostVolumes } = placement;
  const { group, ports } = allocation;
  const user = await chooseUser(task.user, hasDynamicUsers(capabilities));
  const folders = await makeTaskFolders(allocation.folders, task.name, user);
  const cores = reserveCores(placement, allocation, task);
  const facts = {
    allocId: allocation.id,
    allocIndex: allocation.index,
    folders: pathsInTask(capabilities, {
      alloc: allocation.folders.shared,
      task: folders.local,
      secrets: folders.secrets,
    }),
    ports,
    cores: cores.join(","),
    now: Date.now(),
    hostEnv: hostEnvironment(process.env),
    node: nodeFacts(job, topology),
  };
  const {
    env,
    config,
    files,
    mounts,
    hostname: taskHostname,
    configProblems,
  } = resolveTask(file, { job, group, task }, facts, taskSchema);
  if (configProblems.length > 0) throw new InvalidFile(configProblems);
  for (const each of files) await writeTemplate(each);
  const { logs } = allocation.folders;
  return taskMessage(job, group, task, {
    taskId: newTaskId(allocation.id, task.name),
    allocId: allocation.id,
    allocDir: allocation.folders.root,
    stdoutPath: task.logsDisabled ? "/dev/null" : logPipePath(logs, task.name, "stdout"),
    stderrPath: task.logsDisabled ? "/dev/null" : logPipePath(logs, task.name, "stderr"),
    user: user.name,
    cgroup: scopePath(allocation.id, task.name),
    cpusetCpus: facts.cores,
    ports,
    networkPath: allocation.bridge?.path,
    env,
    config: encodeMsgpack(config),
    mounts: mounts.map((mount) => ({ ...mount, path: volumePath(file, hostVolumes, mount.source) })),
    hostname: taskHostname,
    nodeName: hostname(),
    nodeId: localNodeId,
    ...speeds(topology, cores.length),
  });
}

/** A new id for a run. A restarted task gets another one. */
export function newTaskId(allocId: string, task: string): TaskId {
  return toTaskId(`${allocId}/${task}/${randomBytes(4).toString("hex")}`);
}

/** Always reserves the first cores of the node: a local run does not track which are in use. */
function reserveCores({ file, topology }: Placement, { group }: Allocation, task: Task): number[] {
  const online = topology.cores.map(({ coreId }) => coreId);
  const { cores } = task.resources;
  if (cores > online.length) {
    const place = `group.${group.name}.task.${task.name}.resources.cores`;
    rejectJob(file, { place, message: `the host has ${online.length} cores, not ${cores}`, find: "cores" });
  }
  return online.slice(0, cores);
}

function speeds(topology: NodeTopology, cores: number): { nodeMhz: number; coresMhz: number } {
  const mhz = nodeMhz(topology) ?? 0;
  return { nodeMhz: mhz * topology.cores.length, coresMhz: Math.floor(mhz * cores) };
}

/** As on a client, root owns the file unless the job says otherwise. */
async function writeTemplate({ path, content, perms, uid, gid }: ResolvedFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await chmod(path, perms);
  if (uid !== undefined || gid !== undefined) await chown(path, uid ?? 0, gid ?? 0);
}
