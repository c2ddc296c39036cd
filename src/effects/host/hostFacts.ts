/** Probes what the host offers, once or repeatedly. */
import { existsSync } from "node:fs";
import { arch, release } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { distinctUntilChanged, Observable } from "rxjs";
import { obeysWeights } from "../cgroup/blockDevices.ts";
import { findCgroup2Mount, readControllers } from "../cgroup/cgroup.ts";
import { readNodeTopology } from "../cgroup/nodeCores.ts";
import { type NodeTopology, nodeMhz } from "../cgroup/nodeTopology.ts";
import { readKernelFile } from "../kernel/kernelFiles.ts";
import { findMissingCalls } from "../kernel/neededCalls.ts";
import { landlockAbi } from "../landlock/ruleset.ts";
import { bootId } from "../processes/processIdentity.ts";

export interface HostFacts {
  /** The kernel's release, such as `6.12.0`. */
  readonly kernel: string;
  /** In Node's form: `x64`, `arm64`. */
  readonly arch: string;
  readonly bootId: string;
  /** Whether the plugin runs as root. */
  readonly root: boolean;
  /** 0 if the kernel has no Landlock or does not use it. */
  readonly landlockAbi: number;
  /** The kernel's security modules in their order, if Landlock is not among them and they are known. */
  readonly securityModules?: readonly string[];
  /** Needed system calls that the kernel lacks, or that are hidden from the plugin. */
  readonly missingCalls: readonly string[];
  /** Mount point of cgroup v2; undefined if it is not mounted. */
  readonly cgroupMount: string | undefined;
  /** Controllers of the cgroup v2 hierarchy, without those bound to v1. */
  readonly cgroupControllers: readonly string[];
  /**
   * Controllers that the root cgroup enables for its children. When the Nomad client starts, it enables the
   * controllers that it needs.
   */
  readonly cgroupDelegated: readonly string[];
  /** Whether a weight of I/O has an effect on any disk. */
  readonly ioWeights: boolean;
  /** Whether the kernel measures pressure (PSI). */
  readonly psi: boolean;
  /** Whether programs may be run from memfds: sysctl `vm.memfd_noexec` below 2. */
  readonly memfdExecution: boolean;
  /** Whether the kernel can filter system calls. */
  readonly seccomp: boolean;
  readonly namespaces: Readonly<Record<NamespaceKind, boolean>>;
  readonly cores: number;
  readonly mhzPerCore: number;
  /** False if the cores' speed is unknown and {@link assumedMhz} is used. */
  readonly mhzKnown: boolean;
}

/** Kinds of namespaces that every task gets. */
export type NamespaceKind = "pid" | "mount" | "ipc";

/** MHz of a core whose speed is unknown: the Nomad client's default. */
export const assumedMhz = 1000;

/**
 * Takes 0.1 ms: about fifteen reads of the kernel's files, and a query of its Landlock ABI.
 * @param topology from the agent; by default read from the host
 */
export function probeHost(topology: NodeTopology = readNodeTopology()): HostFacts {
  const mount = findCgroup2Mount();
  const mhz = nodeMhz(topology);
  const abi = landlockAbi();
  return {
    kernel: release(),
    arch: arch(),
    bootId: bootId(),
    root: process.geteuid?.() === 0,
    landlockAbi: abi,
    ...(abi === 0 && securityModules()),
    missingCalls: findMissingCalls(),
    cgroupMount: mount,
    cgroupControllers: mount === undefined ? [] : readControllers(mount, "cgroup.controllers"),
    cgroupDelegated: mount === undefined ? [] : readControllers(mount, "cgroup.subtree_control"),
    ioWeights: hasIoWeights(mount),
    psi: existsSync("/proc/pressure/memory"),
    memfdExecution: readKernelFile("/proc/sys/vm/memfd_noexec") !== "2",
    // This file exists only with CONFIG_SECCOMP_FILTER.
    seccomp: readKernelFile("/proc/sys/kernel/seccomp/actions_avail") !== undefined,
    namespaces: { pid: hasNamespace("pid"), mount: hasNamespace("mnt"), ipc: hasNamespace("ipc") },
    cores: topology.cores.length,
    mhzPerCore: mhz ?? assumedMhz,
    mhzKnown: mhz !== undefined,
  };
}

function securityModules(): Pick<HostFacts, "securityModules"> {
  const names = readKernelFile("/sys/kernel/security/lsm")?.trim();
  return names ? { securityModules: names.split(",") } : {};
}

const intervalMs = 30_000;

/**
 * Emits the facts now and after every change. This needs polling, because the kernel does not report changes
 * of sysctls, mounts and delegated controllers. The host is polled only while there is a subscriber, and the
 * timer does not keep the process alive.
 */
export function watchHost(topology: NodeTopology = readNodeTopology()): Observable<HostFacts> {
  const probes = new Observable<HostFacts>((subscriber) => {
    const probe = () => subscriber.next(probeHost(topology));
    probe();
    const timer = setInterval(probe, intervalMs);
    timer.unref();
    return () => clearInterval(timer);
  });
  return probes.pipe(distinctUntilChanged<HostFacts>(isDeepStrictEqual));
}

interface KeptWeights {
  readonly mount: string | undefined;
  readonly areObeyed: boolean;
  /** Seconds of this process. */
  readonly since: number;
}

let weights: KeptWeights | undefined;

/** A host may have hundreds of disks, and rarely gets another scheduler. So they are read every ten minutes. */
const weightsKeptSeconds = 600;

function hasIoWeights(mount: string | undefined): boolean {
  const now = process.uptime();
  if (weights === undefined || weights.mount !== mount || now - weights.since > weightsKeptSeconds)
    weights = { mount, areObeyed: obeysWeights(mount, "/sys/block"), since: now };
  return weights.areObeyed;
}

/** Whether the kernel has namespaces of this kind, and their limit is not 0: namespaces(7). */
function hasNamespace(name: "pid" | "mnt" | "ipc"): boolean {
  const limit = readKernelFile(`/proc/sys/user/max_${name}_namespaces`);
  return limit !== undefined && limit !== "0";
}
