/** One instance of a group: an id, folders and ports. */
import { randomUUID } from "node:crypto";
import type { Group } from "../../jobspec/job.ts";
import { type AllocationFolders, makeAllocationFolders } from "./allocationFolders.ts";
import { type AssignedPort, assignPorts } from "./ports.ts";

export interface Allocation {
  readonly id: string;
  readonly group: Group;
  readonly folders: AllocationFolders;
  readonly ports: readonly AssignedPort[];
}

/**
 * @param work the folder of everything that a run makes on disk
 * @throws DriverError `JOB_INVALID` for a static port that is taken
 */
export async function makeAllocation(work: string, group: Group): Promise<Allocation> {
  const id = randomUUID();
  const ports = await assignPorts(group.network.ports);
  return { id, group, ports, folders: await makeAllocationFolders(work, id) };
}
