/** An allocation: one instance of a group, with an id, folders and ports. */
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
 * @param work the folder for all files of the run
 * @throws DriverError `JOB_INVALID` if a static port is in use
 */
export async function makeAllocation(work: string, group: Group): Promise<Allocation> {
  const id = randomUUID();
  const ports = await assignPorts(group.network.ports);
  return { id, group, ports, folders: await makeAllocationFolders(work, id) };
}
