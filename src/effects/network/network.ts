/** A task's network: the host's, the allocation's namespace, or a new one. Pure. */

import { DriverError } from "../../base/errors.ts";
import * as k from "../kernel/constants.ts";
import { interfaceFlags } from "../kernel/structs.ts";
import { type HostEntry, isHostName } from "../names/hostNames.ts";
import { closeScratchStep, openStep } from "../plan/commonSteps.ts";
import { bytes, descriptors, flags, type Step } from "../plan/plan.ts";

const { CLONE_NEWNET, AF_INET, SOCK_DGRAM, SOCK_CLOEXEC, SIOCSIFFLAGS, O_RDONLY, O_CLOEXEC } = k;

/** The network of an allocation, as the agent names it. */
export interface TaskNetwork {
  readonly mode: "host" | "group" | "none";
  /** Path of the network namespace to join; empty if there is none. */
  readonly path: string;
  /** The allocation's host name and address; undefined if the allocation has no host name. */
  readonly self: HostEntry | undefined;
}

export type LaunchNetwork =
  /** The network of this process. */
  | { readonly kind: "host" }
  /** The namespace mounted at a path, such as `/var/run/netns/<alloc>`. */
  | { readonly kind: "join"; readonly path: string }
  /** A new namespace with only a loopback interface. */
  | { readonly kind: "loopback" };

export function launchNetwork(network: Pick<TaskNetwork, "mode" | "path">): LaunchNetwork {
  if (network.path !== "") return { kind: "join", path: network.path };
  return { kind: network.mode === "none" ? "loopback" : "host" };
}

/**
 * The run's own host name, in ASCII; undefined for the host's.
 * @throws DriverError `CONFIG_INVALID` for a name that no host can have
 */
export function launchHostname({ self }: Pick<TaskNetwork, "self">): string | undefined {
  if (self === undefined || isHostName(self.name)) return self?.name;
  throw new DriverError("CONFIG_INVALID", `${JSON.stringify(self.name)} cannot be the name of a host`, {
    hint: "Correct the hostname of the group's network block: letters, digits, hyphens and dots, 64 at most",
  });
}

/** Steps that give a run its network. */
export function networkSteps(network: LaunchNetwork, hostname: string | undefined): Step[] {
  return [...namespaceSteps(network), ...(hostname === undefined ? [] : [hostnameStep(hostname)])];
}

function hostnameStep(hostname: string): Step {
  return { name: "set the host name", call: "sethostname", args: [hostname, hostname.length] };
}

function namespaceSteps(network: LaunchNetwork): Step[] {
  switch (network.kind) {
    case "host":
      return [];
    case "join":
      return joinSteps("join the network namespace", network.path);
    case "loopback":
      return loopbackSteps("create a network namespace");
  }
}

function joinSteps(name: string, path: string): Step[] {
  return [
    openStep(name, path, flags({ O_RDONLY, O_CLOEXEC })),
    {
      ...{ name, call: "setns", args: [descriptors.scratch, flags({ CLONE_NEWNET })] },
      hints: { EINVAL: `${path} is not a network namespace` },
    },
    closeScratchStep(name),
  ];
}

/** A new namespace has a loopback interface, which is down: netdevice(7). */
function loopbackSteps(name: string): Step[] {
  const loopbackUp = bytes(interfaceFlags("lo", k.IFF_UP), '{ifr_name: "lo", ifr_flags: IFF_UP}');
  return [
    { name, call: "unshare", args: [flags({ CLONE_NEWNET })] },
    { name, call: "socket", args: [flags({ AF_INET }), flags({ SOCK_DGRAM, SOCK_CLOEXEC }), 0] },
    { name, call: "ioctl", args: [descriptors.scratch, flags({ SIOCSIFFLAGS }), loopbackUp] },
    closeScratchStep(name),
  ];
}
