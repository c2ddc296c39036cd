/** This host's values of `${node.…}` and `${attr.…}` in job files. */
import { arch, hostname, release } from "node:os";
import type { NodeTopology } from "../../effects/cgroup/nodeTopology.ts";
import type { Job } from "../jobspec/job.ts";

/** The node id of every local run. A cluster's ids are random. */
export const localNodeId = "00000000-0000-4000-8000-000000000000";

export function nodeFacts(job: Job, topology: NodeTopology): Readonly<Record<string, string>> {
  return {
    "node.unique.id": localNodeId,
    "node.unique.name": hostname(),
    "node.datacenter": job.datacenter,
    "node.region": job.region,
    "node.class": "",
    "node.pool": "default",
    "attr.kernel.name": "linux",
    "attr.kernel.version": release(),
    "attr.kernel.arch": arch() === "x64" ? "x86_64" : "aarch64",
    "attr.cpu.arch": arch() === "x64" ? "amd64" : arch(),
    "attr.cpu.numcores": String(topology.cores.length),
    "attr.unique.hostname": hostname(),
    "attr.driver.exec2": "1",
  };
}

/**
 * The environment that tasks inherit from the host. PATH is as for a system service, because the folders in
 * the PATH of a person's shell are not unveiled. From the environment of `run`, tasks get only the locale
 * and the time zone.
 */
export function hostEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const kept = Object.entries(environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && /^(LANG|LC_\w+|TZ)$/.test(entry[0]),
  );
  return { PATH: servicePath, ...Object.fromEntries(kept) };
}

const servicePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
