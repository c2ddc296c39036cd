/**
 * How a local run handles each attribute and block of a job file. It uses most keys, and ignores keys that
 * configure only the cluster. It refuses a file with any other key, because the task would lack something
 * that the file promises. Pure.
 */

import { suggestion } from "../../base/suggest.ts";
import { checkClusterPart } from "./clusterBlocks.ts";
import { inside, type JobFile, report } from "./jobFile.ts";
import type { Body } from "./syntax.ts";

interface Keys {
  readonly attributes: readonly string[];
  readonly blocks: readonly string[];
  readonly ignored: readonly string[];
  /** The reason for each refused key. */
  readonly refused: Readonly<Record<string, string>>;
}

const cluster = "it needs a Nomad cluster";
const vault = "a local run has no Vault";
const consul = "a local run has no Consul";
const secret = "secrets come from a Nomad server or Vault";

const scheduling = ["affinity", "constraint", "spread", "reschedule", "migrate", "update", "ui"];

const levels = {
  file: { attributes: [], blocks: ["job", "locals", "variable", "variables"], ignored: [], refused: {} },
  job: {
    attributes: ["datacenters", "id", "meta", "name", "namespace", "region", "type"],
    blocks: ["group", "parameterized", "task"],
    ignored: [
      ...scheduling,
      "all_at_once",
      "consul_token",
      "multiregion",
      "node_pool",
      "periodic",
      "priority",
      "vault_token",
      "version_tag",
    ],
    refused: { consul, secret, vault },
  },
  parameterized: {
    attributes: ["meta_optional", "meta_required", "payload"],
    blocks: [],
    ignored: [],
    refused: {},
  },
  group: {
    attributes: ["count", "meta"],
    blocks: ["network", "service", "task", "volume"],
    ignored: [
      ...scheduling,
      "disconnect",
      "ephemeral_disk",
      "max_client_disconnect",
      "prevent_reschedule_on_lost",
      "restart",
      "scaling",
      "shutdown_delay",
      "stop_after_client_disconnect",
    ],
    refused: { consul, secret, vault },
  },
  service: {
    attributes: ["name", "port", "provider"],
    blocks: ["check", "check_restart"],
    ignored: [
      "address",
      "address_mode",
      "canary_meta",
      "canary_tags",
      "cluster",
      "enable_tag_override",
      "kind",
      "meta",
      "on_update",
      "tagged_addresses",
      "tags",
      "task",
      "weights",
    ],
    refused: {
      connect: "Consul Connect needs a sidecar proxy that a Nomad client starts",
      identity: "workload identities are signed by a Nomad server",
    },
  },
  check: {
    attributes: [
      "args",
      "body",
      "command",
      "failures_before_critical",
      "header",
      "interval",
      "method",
      "name",
      "path",
      "port",
      "protocol",
      "success_before_passing",
      "task",
      "timeout",
      "tls_skip_verify",
      "type",
    ],
    blocks: ["check_restart"],
    ignored: [
      "address_mode",
      "advertise",
      "expose",
      "failures_before_warning",
      "grpc_service",
      "grpc_use_tls",
      "initial_status",
      "notes",
      "on_update",
      "tls_server_name",
    ],
    refused: {},
  },
  upstream: {
    attributes: ["destination_name", "local_bind_port"],
    blocks: [],
    ignored: [
      "config",
      "datacenter",
      "destination_namespace",
      "destination_partition",
      "destination_peer",
      "destination_type",
      "local_bind_address",
      "local_bind_socket_mode",
      "local_bind_socket_path",
      "mesh_gateway",
    ],
    refused: {},
  },
  checkRestart: { attributes: ["grace", "limit"], blocks: [], ignored: ["ignore_warnings"], refused: {} },
  network: {
    attributes: ["hostname", "mode"],
    blocks: ["dns", "port"],
    ignored: ["mbits"],
    refused: { cni: "only a Nomad client can make CNI networks" },
  },
  port: {
    attributes: ["static", "to"],
    blocks: [],
    ignored: ["host_network", "ignore_collision"],
    refused: {},
  },
  volume: {
    attributes: ["per_alloc", "read_only", "source", "type"],
    blocks: [],
    ignored: ["access_mode", "attachment_mode", "mount_options", "sticky"],
    refused: {},
  },
  volumeMount: {
    attributes: ["destination", "propagation_mode", "read_only", "volume"],
    blocks: [],
    ignored: [],
    refused: { selinux_label: "the driver does not relabel files: label them beforehand" },
  },
  dns: { attributes: ["options", "searches", "servers"], blocks: [], ignored: [], refused: {} },
  task: {
    attributes: ["config", "driver", "env", "kill_signal", "kill_timeout", "leader", "meta", "user"],
    blocks: ["dispatch_payload", "lifecycle", "logs", "resources", "service", "template", "volume_mount"],
    ignored: [...scheduling, "action", "kind", "restart", "scaling", "schedule", "shutdown_delay"],
    refused: {
      artifact: "fetching artifacts is the Nomad client's work: fetch the files beforehand",
      consul,
      csi_plugin: cluster,
      identity: "workload identities are signed by a Nomad server",
      secret,
      vault,
    },
  },
  dispatchPayload: { attributes: ["file"], blocks: [], ignored: [], refused: {} },
  resources: {
    attributes: ["cores", "cpu", "memory", "memory_max"],
    blocks: [],
    ignored: ["disk", "iops", "numa", "secrets"],
    refused: {
      device: "devices are fingerprinted and reserved by the Nomad client",
      network: "a network per task is an old form: move the block to the group",
    },
  },
  lifecycle: { attributes: ["hook", "sidecar"], blocks: [], ignored: [], refused: {} },
  logs: {
    attributes: ["disabled"],
    blocks: [],
    ignored: ["destination", "enabled", "max_file_size", "max_files"],
    refused: {},
  },
  template: {
    attributes: ["data", "destination", "env", "gid", "left_delimiter", "perms", "right_delimiter", "uid"],
    blocks: [],
    ignored: [
      "change_mode",
      "change_script",
      "change_signal",
      "error_on_missing_key",
      "once",
      "splay",
      "vault_grace",
      "wait",
    ],
    refused: {
      source: 'a local run takes templates only from the job file: data = file("…") reads a file beside it',
    },
  },
} as const satisfies Record<string, Keys>;

export type Level = keyof typeof levels;

/** The keys of a body that are used. Attributes and blocks are separate, because they are read differently. */
export interface SupportedPart {
  readonly attributes: Body;
  readonly blocks: Body;
}

/**
 * Selects the keys of a body that are used, and records the ignored ones in the file. Keys that are refused
 * or unknown are problems, which the file collects.
 */
export function supportedPart(file: JobFile, level: Level, place: string, block: Body): SupportedPart {
  const keys: Keys = levels[level];
  const attributes: Record<string, unknown> = {};
  const blocks: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(block)) {
    if (value === null || value === undefined) continue;
    if (keys.attributes.includes(key)) attributes[key] = value;
    else if (keys.blocks.includes(key)) blocks[key] = value;
    else if (keys.ignored.includes(key) || Object.hasOwn(keys.refused, key)) {
      checkClusterPart(file, level, place, key, value);
      if (keys.ignored.includes(key)) file.ignored.add(inside(place, key));
      else skipOrReport(file, inside(place, key), key, keys.refused[key]);
    } else reportKey(file, keys, inside(place, key), key);
  }
  return { attributes, blocks };
}

/** Skips a part that a local run lacks, if `--skip` names the part. Otherwise reports the part. */
export function skipOrReport(file: JobFile, place: string, name: string, message = ""): void {
  if (file.skips.has(name)) file.ignored.add(place);
  else {
    const hint = `--skip ${name} goes on without it.`;
    report(file, { place, message, find: name, hint, lacking: true, skip: name });
  }
}

/** Names of all parts that a local run lacks and can skip: the values of `--skip`. */
export function skippable(): string[] {
  const refused = Object.values<Keys>(levels).flatMap((keys) => Object.keys(keys.refused));
  return [...new Set([...refused, "connect", "csi", "dispatch_payload", "parameterized", "template"])].sort();
}

function reportKey(file: JobFile, keys: Keys, place: string, key: string): void {
  const hint = suggestion(key, [...keys.attributes, ...keys.blocks, ...keys.ignored]);
  report(file, { place, message: "there is no such attribute or block", find: key, hint });
}
