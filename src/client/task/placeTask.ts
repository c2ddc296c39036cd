/** Where a task is to run and as whom: its user, folders and files, and the request to the driver made of it all. */
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { type NodeTopology, nodeMhz } from "../../config/task/nodeTopology.ts";
import { encodeMsgpack } from "../../grpc/convert/msgpack.ts";
import type { DriverCapabilities, TaskConfig } from "../../grpc/generated/nomad/driver.ts";
import type { AttributeSpec } from "../../jobspec/driverConfig.ts";
import type { Job, Task } from "../../jobspec/job.ts";
import { type JobFile, rejectJob } from "../../jobspec/jobFile.ts";
import { type ResolvedFile, resolveTask } from "../../jobspec/resolve/resolveTask.ts";
import type { Allocation } from "../allocation/allocation.ts";
import { makeTaskFolders } from "../allocation/allocationFolders.ts";
import { scopePath } from "../allocation/cgroupScope.ts";
import { type HostVolumes, volumePath } from "../allocation/hostVolumes.ts";
import { chooseUser } from "../allocation/taskUser.ts";
import { lendsUsers, pathsInTask } from "../plugin/clientRules.ts";
import { logPipePath } from "./logReader.ts";
import { hostEnvironment, localNodeId, nodeFacts } from "./nodeFacts.ts";
import { taskMessage } from "./taskMessage.ts";

/** What tasks of a job are placed with. */
export interface Placement {
  readonly file: JobFile;
  readonly job: Job;
  readonly topology: NodeTopology;
  /** Where the host volumes are that jobs name, by their names. */
  readonly hostVolumes: HostVolumes;
}

/** What a client asks a driver for before it starts or recovers a task. */
export interface DriverFacts {
  /** Of a task's config. */
  readonly taskSchema: readonly AttributeSpec[];
  readonly capabilities: DriverCapabilities;
}

/** Makes the task's folders and files; names its cgroup and log pipes without making them. */
export async function placeTask(
  placement: Placement,
  { taskSchema, capabilities }: DriverFacts,
  allocation: Allocation,
  task: Task,
): Promise<TaskConfig> {
  const { file, job, topology, hostVolumes } = placement;
  const { group, ports } = allocation;
  const user = await chooseUser(task.user, lendsUsers(capabilities));
  const folders = await makeTaskFolders(allocation.folders, task.name, user);
  const cores = reserveCores(placement, allocation, task);
  const facts = {
    allocId: allocation.id,
    folders: pathsInTask(capabilities, {
      alloc: allocation.folders.shared,
      task: folders.local,
      secrets: folders.secrets,
    }),
    ports,
    cores: cores.join(","),
    hostEnv: hostEnvironment(process.env),
    node: nodeFacts(job, topology),
  };
  const {
    env,
    config,
    files,
    mounts,
    hostname: ownName,
  } = resolveTask(file, { job, group, task }, facts, taskSchema);
  for (const each of files) await writeTemplate(each);
  const { logs } = allocation.folders;
  return taskMessage(job, group, task, {
    taskId: `${allocation.id}/${task.name}/${randomBytes(4).toString("hex")}`,
    allocId: allocation.id,
    allocDir: allocation.folders.root,
    stdoutPath: task.logsDisabled ? "/dev/null" : logPipePath(logs, task.name, "stdout"),
    stderrPath: task.logsDisabled ? "/dev/null" : logPipePath(logs, task.name, "stderr"),
    user: user.name,
    cgroup: scopePath(allocation.id, task.name),
    cpusetCpus: facts.cores,
    ports,
    env,
    config: encodeMsgpack(config),
    mounts: mounts.map((mount) => ({ ...mount, path: volumePath(file, hostVolumes, mount.source) })),
    hostname: ownName,
    nodeName: hostname(),
    nodeId: localNodeId,
    ...speeds(topology, cores.length),
  });
}

/** The first cores of the node: a local run has nobody to share them out with. */
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

/** Root's own unless the job says otherwise, as the client has it. */
async function writeTemplate({ path, content, perms, uid, gid }: ResolvedFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await chmod(path, perms);
  if (uid !== undefined || gid !== undefined) await chown(path, uid ?? 0, gid ?? 0);
}
