/**
 * Prepares what a task needs before the driver starts it: its user, folders, files, cgroup and log pipes, and
 * the request to the driver.
 */
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { type TaskId, toTaskId } from "../../base/taskId.ts";
import { type NodeTopology, nodeMhz } from "../../effects/cgroup/nodeTopology.ts";
import type { TaskConfig } from "../../grpc/generated/nomad/driver.ts";
import { encodeMsgpack } from "../../grpc/options.ts";
import { type Allocation, makeTaskFolders, taskLabel } from "../allocation/allocation.ts";
import { makeScope, type OwnScope, type ScopeOwner, scopePath } from "../allocation/cgroupScope.ts";
import { chooseUser } from "../allocation/taskUser.ts";
import type { Job, Task } from "../jobspec/job.ts";
import { type JobFile, rejectJob, throwCollected } from "../jobspec/jobFile.ts";
import { type ResolvedFile, resolveTask } from "../jobspec/resolve/resolveTask.ts";
import { hasDynamicUsers, pathsInTask } from "../plugin/clientRules.ts";
import type { DriverFacts } from "../plugin/pluginSession.ts";
import { FollowedOutput, logPipePath } from "./followedOutput.ts";
import { hostEnvironment, localNodeId, nodeFacts } from "./nodeFacts.ts";
import { taskMessage } from "./taskMessage.ts";

/** The inputs that all tasks of a job share. */
export interface Placement {
  readonly file: JobFile;
  readonly job: Job;
  readonly topology: NodeTopology;
  /** The ids of dynamic users, as in the plugin's `dynamic_user_ids` and a client's `users` block. */
  readonly dynamicUserIds: string;
}

/** The inputs of a run that makes the tasks' cgroups. */
export interface OwnedPlacement extends Placement {
  /** This run, as the cgroups' marks name it. */
  readonly owner: ScopeOwner;
}

export interface PreparedTask {
  readonly task: Task;
  /** Its label in the run's output, such as `web` or `web[1]`. */
  readonly label: string;
  readonly message: TaskConfig;
  readonly scope: OwnScope;
  /** The task's output, in the files that the driver writes: there are none if the job disables logs. */
  readonly output: Streams<FollowedOutput>;
}

interface Streams<T> {
  readonly stdout: T;
  readonly stderr: T;
}

/**
 * Prepares a task. Must be called for all tasks of a group before any of them starts, so that no task can
 * tamper with the files of another.
 */
export async function prepareTask(
  placement: OwnedPlacement,
  driver: DriverFacts,
  allocation: Allocation,
  task: Task,
): Promise<PreparedTask> {
  const message = await placeTask(placement, driver, allocation, task);
  const scope = await makeScope(allocation.id, task.name, placement.owner);
  try {
    const label = taskLabel(allocation.group, allocation.index, task.name);
    return { task, label, message, scope, output: openOutput(message) };
  } catch (thrown) {
    await scope.remove();
    throw thrown;
  }
}

/** Prepares a task for another run. The task keeps its cgroup, folders and log files. */
export function prepareAgain(prepared: PreparedTask): PreparedTask {
  const { message } = prepared;
  return { ...prepared, message: { ...message, id: newTaskId(message.allocId, message.name) } };
}

function openOutput({ allocDir, name }: TaskConfig): Streams<FollowedOutput> {
  const follow = (stream: "stdout" | "stderr") =>
    new FollowedOutput({ allocDir, pipe: logPipePath(join(allocDir, "alloc/logs"), name, stream) });
  return { stdout: follow("stdout"), stderr: follow("stderr") };
}

/**
 * Makes the task's folders and files. The result names the cgroup and the log pipes, but only
 * {@link prepareTask} makes them.
 */
export async function placeTask(
  placement: Placement,
  { taskSchema, capabilities }: DriverFacts,
  allocation: Allocation,
  task: Task,
): Promise<TaskConfig> {
  const { file, job, topology, dynamicUserIds } = placement;
  const { group, ports } = allocation;
  const user = await chooseUser(task.user, hasDynamicUsers(capabilities), dynamicUserIds);
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
    node: { ...nodeFacts(job, topology), ...file.node },
    upstreams: file.upstreams,
  };
  const {
    env,
    config,
    files,
    mounts,
    hostname: taskHostname,
  } = resolveTask(file, { job, group, task }, facts, taskSchema);
  throwCollected(file);
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
    mounts: mounts.map((mount) => ({ ...mount, path: file.hostVolumes.get(mount.source) ?? "" })),
    hostname: taskHostname,
    nodeName: hostname(),
    nodeId: localNodeId,
    ...speeds(topology, cores.length),
  });
}

/** A new id for a run. Each restart of a task is a run with its own id. */
function newTaskId(allocId: string, task: string): TaskId {
  return toTaskId(`${allocId}/${task}/${randomBytes(4).toString("hex")}`);
}

/** Always reserves the first cores of the node, because a local run does not track which cores are in use. */
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
