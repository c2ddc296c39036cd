/** Steps that give a run its network. */
import * as k from "../../kernel/constants.ts";
import { interfaceFlags } from "../../kernel/structs.ts";
import type { EarlyInput, LaunchNetwork } from "../launchInput.ts";
import { bytes, descriptors, flags, type Step } from "../plan.ts";
import { closeScratchStep, openStep } from "./fileSteps.ts";

const { CLONE_NEWNET, O_RDONLY, O_CLOEXEC, AF_INET, SOCK_DGRAM, SOCK_CLOEXEC, SIOCSIFFLAGS } = k;

export function networkSteps({ network, hostname }: EarlyInput): Step[] {
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
    { name, call: "setns", args: [descriptors.scratch, flags({ CLONE_NEWNET })] },
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
