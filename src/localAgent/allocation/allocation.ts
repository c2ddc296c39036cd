/** An allocation: one instance of a group, with an id, folders and ports. */
import { randomUUID } from "node:crypto";
import { chmod, chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { localAllocationId } from "../../base/taskId.ts";
import type { Group } from "../jobspec/job.ts";
import type { Bridge, PlacedUpstream } from "./bridge.ts";
import { type AssignedPort, assignPorts } from "./ports.ts";

export interface Allocation {
  readonly id: string;
  /** Index among the instances of its group, from 0. */
  readonly index: number;
  readonly group: Group;
  readonly folders: AllocationFolders;
  readonly ports: readonly AssignedPort[];
  /** The group's own network, if the job requests one. The caller closes it. */
  readonly bridge: Bridge | undefined;
}

/**
 * Makes an allocation with its folders, ports and network.
 * @param work the folder for all files of the run
 * @param taken ports of the run's other allocations; the ports of this allocation are added
 * @param upstreams addresses of Connect's upstreams, by their names
 * @throws DriverError `JOB_INVALID` if a static port is in use
 */
export async function makeAllocation(
  work: string,
  group: Group,
  index = 0,
  taken = new Set<number>(),
  upstreams: Readonly<Record<string, string>> = {},
): Promise<Allocation> {
  const id = localAllocationId(randomUUID(), index);
  const ports = await assignPorts(group.network.ports, taken);
  const folders = await makeAllocationFolders(work, id);
  const bridge =
    group.network.mode === "bridge" ? await openBridge(ports, placed(group, upstreams)) : undefined;
  return { id, index, group, ports, folders, bridge };
}

/** Loads the module of bridges on demand, because few jobs need a bridge. */
async function openBridge(
  ports: readonly AssignedPort[],
  upstreams: readonly PlacedUpstream[],
): Promise<Bridge> {
  const { Bridge } = await import("./bridge.ts");
  return Bridge.open(ports, upstreams);
}

function placed({ upstreams }: Group, addresses: Readonly<Record<string, string>>): PlacedUpstream[] {
  return upstreams.flatMap((upstream) => {
    const address = addresses[upstream.name];
    return address === undefined ? [] : [{ ...upstream, address }];
  });
}

/**
 * The label of a task in a run's output: `web`, or `web[0]`, `web[1]`, … for a group of several instances.
 */
export function taskLabel({ count }: Group, index: number, task: string): string {
  return count > 1 ? `${task}[${index}]` : task;
}

/** Owner of a folder. */
interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface AllocationFolders {
  /** The allocation's private folder. */
  readonly root: string;
  /** The folder that its tasks share: `NOMAD_ALLOC_DIR`. */
  readonly shared: string;
  readonly logs: string;
}

export interface AgentTaskFolders {
  readonly root: string;
  /** `NOMAD_TASK_DIR`. */
  readonly local: string;
  /** `NOMAD_SECRETS_DIR`. */
  readonly secrets: string;
  readonly tmp: string;
}

export async function makeAllocationFolders(work: string, allocId: string): Promise<AllocationFolders> {
  const root = join(work, "alloc", allocId);
  const shared = join(root, "alloc");
  await makeFolder(join(work, "alloc"), traverseOnly);
  await makeFolder(root, traverseOnly);
  for (const folder of [shared, ...["data", "logs", "tmp"].map((name) => join(shared, name))]) {
    await makeFolder(folder, anyone);
  }
  return { root, shared, logs: join(shared, "logs") };
}

/** Makes the folders of one task, owned by its user. */
export async function makeTaskFolders(
  { root: allocation }: AllocationFolders,
  task: string,
  owner: Owner,
): Promise<AgentTaskFolders> {
  const root = join(allocation, task);
  const folders = {
    root,
    local: join(root, "local"),
    secrets: join(root, "secrets"),
    tmp: join(root, "tmp"),
  };
  await makeFolder(root, 0o710, owner);
  await makeFolder(folders.local, anyone, owner);
  await makeFolder(folders.secrets, 0o700, owner);
  await makeFolder(folders.tmp, anyone, owner);
  return folders;
}

/** A mode that lets others traverse a folder, but not list it. */
const traverseOnly = 0o711;
const anyone = 0o777;

/** Sets the mode after mkdir, because the umask of this process reduces mkdir's mode. */
async function makeFolder(path: string, mode: number, owner?: Owner): Promise<void> {
  await mkdir(path, { recursive: true });
  if (owner) await chown(path, owner.uid, owner.gid);
  await chmod(path, mode);
}
