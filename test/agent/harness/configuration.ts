/** The configuration files of a server and a client for the cases, as Nomad reads them. Pure. */
import { join } from "node:path";

/** Ports on loopback: the agents have a network namespace of their own. */
export const ports = {
  server: { http: 4646, rpc: 4647, serf: 4648 },
  client: { http: 4656, rpc: 4657, serf: 4658 },
} as const;

export type Role = keyof typeof ports;

export interface ConfigurationInput {
  /** Folder for all that both agents write. Its path must be short: sockets of plugins lie in it. */
  readonly folder: string;
  /** Folder with the driver's executable, and nothing else. */
  readonly pluginDir: string;
}

/** The folder with the driver's events. */
function stateDirOf(folder: string): string {
  return join(folder, "state");
}

/** @returns the text of an agent's configuration file, in HCL */
export function configurationOf(role: Role, { folder, pluginDir }: ConfigurationInput): string {
  const { http, rpc, serf } = ports[role];
  const common = `name = "${role}-1"
data_dir = "${join(folder, role)}"
bind_addr = "127.0.0.1"
log_level = "DEBUG"
disable_update_check = true
leave_on_interrupt = false
leave_on_terminate = false

advertise {
  http = "127.0.0.1"
  rpc  = "127.0.0.1"
  serf = "127.0.0.1"
}

ports {
  http = ${http}
  rpc  = ${rpc}
  serf = ${serf}
}
`;
  return `${common}\n${role === "server" ? serverBlocks : clientBlocks(folder, pluginDir)}`;
}

/** A client that is killed must not count as lost before it is back. */
const serverBlocks = `server {
  enabled          = true
  bootstrap_expect = 1
  raft_multiplier  = 1
  min_heartbeat_ttl = "30s"
}
`;

/** Without telemetry, clients never ask for the use of tasks. */
function clientBlocks(folder: string, pluginDir: string): string {
  return `plugin_dir = "${pluginDir}"

client {
  enabled           = true
  servers           = ["127.0.0.1:${ports.server.rpc}"]
  network_interface = "lo"
  gc_interval       = "24h"
  cpu_total_compute = 8000
  options = {
    "driver.allowlist"     = "exec2"
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean,consul,vault"
  }
}

telemetry {
  publish_allocation_metrics = true
  collection_interval        = "2s"
}

plugin "nomad-driver-exec2" {
  config {
    state_dir      = "${stateDirOf(folder)}"
    unveil_allowed = ["r:/etc/mime.types", "rx:/usr"]
    allowed_users  = ["nobody"]
  }
}
`;
}
