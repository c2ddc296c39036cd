/** What the host offers: probed once, or watched. */
import { arch, release } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { distinctUntilChanged, Observable } from "rxjs";
import { type NodeTopology, nodeMhz } from "../../config/task/nodeTopology.ts";
import { findCgroup2Mount, readControllers } from "../cgroup/cgroup.ts";
import { readKernelFile } from "../kernel/file.ts";
import { landlockAbi } from "../landlock/ruleset.ts";
import { bootId } from "../processes/processIdentity.ts";
import { readNodeTopology } from "./nodeCores.ts";

export interface HostFacts {
  /** The kernel's release, such as `6.12.0`. */
  readonly kernel: string;
  /** As Node has it: `x64`, `arm64`. */
  readonly arch: string;
  readonly bootId: string;
  /** Whether the plugin runs as root. */
  readonly root: boolean;
  /** 0 where the kernel has no Landlock or does not use it. */
  readonly landlockAbi: number;
  /** Where cgroup v2 is mounted; undefined where it is not. */
  readonly cgroupMount: string | undefined;
  /** Controllers of the cgroup v2 hierarchy: those bound to v1 are not among them. */
  readonly cgroupControllers: readonly string[];
  /** Those that the root hands on; the Nomad client adds what it needs when it starts. */
  readonly cgroupDelegated: readonly string[];
  /** Whether programs may be run from memfds: sysctl `vm.memfd_noexec` below 2. */
  readonly memfdExecution: boolean;
  readonly namespaces: Readonly<Record<NamespaceKind, boolean>>;
  readonly cores: number;
  readonly mhzPerCore: number;
  /** False where nobody tells the cores' speed and {@link assumedMhz} stands in. */
  readonly mhzKnown: boolean;
}

/** Kinds of namespaces that every task gets. */
export type NamespaceKind = "pid" | "mount" | "ipc";

/** MHz of a core whose speed nobody tells: what the Nomad client assumes then. */
export const assumedMhz = 1000;

/**
 * Some fifteen reads from memory, and a look at the kernel's Landlock: 0.1 ms.
 * @param topology the agent's; without it the host's own figures are read
 */
export function probeHost(topology: NodeTopology = readNodeTopology()): HostFacts {
  const mount = findCgroup2Mount();
  const mhz = nodeMhz(topology);
  return {
    kernel: release(),
    arch: arch(),
    bootId: bootId(),
    root: process.geteuid?.() === 0,
    landlockAbi: landlockAbi(),
    cgroupMount: mount,
    cgroupControllers: mount === undefined ? [] : readControllers(mount, "cgroup.controllers"),
    cgroupDelegated: mount === undefined ? [] : readControllers(mount, "cgroup.subtree_control"),
    memfdExecution: readKernelFile("/proc/sys/vm/memfd_noexec") !== "2",
    namespaces: { pid: hasNamespace("pid"), mount: hasNamespace("mnt"), ipc: hasNamespace("ipc") },
    cores: topology.cores.length,
    mhzPerCore: mhz ?? assumedMhz,
    mhzKnown: mhz !== undefined,
  };
}

/**
 * The facts now and whenever they have changed (a sysctl, a mount, delegated
 * controllers: the kernel tells nobody of these, so they are looked at again).
 * Looks only while somebody listens, and keeps no process alive.
 */
export function watchHost(
  topology: NodeTopology = readNodeTopology(),
  intervalMs = 30_000,
): Observable<HostFacts> {
  const looks = new Observable<HostFacts>((subscriber) => {
    const look = () => subscriber.next(probeHost(topology));
    look();
    const timer = setInterval(look, intervalMs);
    timer.unref();
    return () => clearInterval(timer);
  });
  return looks.pipe(distinctUntilChanged<HostFacts>(isDeepStrictEqual));
}

/** Built into the kernel, and not forbidden by a limit of none: namespaces(7). */
function hasNamespace(name: "pid" | "mnt" | "ipc"): boolean {
  const limit = readKernelFile(`/proc/sys/user/max_${name}_namespaces`);
  return limit !== undefined && limit !== "0";
}
