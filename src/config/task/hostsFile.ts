/** The hosts file of a task, hosts(5). Pure. */
import { parseHostEntry } from "../values/hostNames.ts";
import type { TaskRequest } from "./taskRequest.ts";

/** Whether a task gets its own hosts file. */
export function hasOwnHosts({ network, options }: Pick<TaskRequest, "network" | "options">): boolean {
  return network.self !== undefined || options.extraHosts.length > 0;
}

/**
 * The text of a task's hosts file.
 * @param hostFile reads the host's file; called only for a task in the host's network
 */
export function hostsFile(
  { network, options }: Pick<TaskRequest, "network" | "options">,
  hostFile: () => string,
): string {
  const common = network.mode === "host" ? hostFile() : OWN_NETWORK;
  const own = network.self === undefined ? [] : [{ ...network.self, address: network.self.address || LOCAL }];
  const entries = [...own, ...options.extraHosts.map(parseHostEntry)];
  return `${common.trimEnd()}\n${entries.map(({ name, address }) => `${address} ${name}\n`).join("")}`;
}

/** The conventional address of a host name without an address of its own. */
const LOCAL = "127.0.1.1";

const OWN_NETWORK = `127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters`;
