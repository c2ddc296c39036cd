/** The environment that a Nomad client gives a task, and the names that job files can refer to. Pure. */

import { nearest } from "../../../base/suggest.ts";
import { shortId } from "../../../base/taskId.ts";
import type { Group, Job, Task } from "../job.ts";
import { TemplateError } from "../templateError.ts";
import type { Reference } from "./template.ts";

export interface AllocationFacts {
  readonly allocId: string;
  /** Index among the instances of its group, from 0. */
  readonly allocIndex: number;
  /** Paths of the task's folders, as the task sees them. */
  readonly folders: { readonly alloc: string; readonly task: string; readonly secrets: string };
  readonly ports: readonly PortFacts[];
  /** In the kernel's list format (`0-3,5`); empty if the task reserves no cores. */
  readonly cores: string;
  /** The part of the client's own environment that tasks inherit. */
  readonly hostEnv: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Addresses of Connect's upstreams, by their names. */
  readonly upstreams: Readonly<Record<string, string>>;
  /** Values of `node.…`, `attr.…` and `meta.…`. */
  readonly node: Readonly<Record<string, string>>;
}

export interface PortFacts {
  readonly label: string;
  readonly ip: string;
  /** The port on the host. */
  readonly port: number;
  /** The port on which the task listens. */
  readonly inside: number;
}

/** The task's environment without its metadata and the `env` block, whose values may refer to variables. */
export function baseEnvironment(
  job: Job,
  group: Group,
  task: Task,
  facts: AllocationFacts,
): Record<string, string> {
  const { allocId, allocIndex, folders } = facts;
  const { cpuMhz, memoryMb, memoryMaxMb } = task.resources;
  return {
    ...facts.hostEnv,
    NOMAD_ALLOC_DIR: folders.alloc,
    NOMAD_TASK_DIR: folders.task,
    NOMAD_SECRETS_DIR: folders.secrets,
    NOMAD_ALLOC_ID: allocId,
    NOMAD_SHORT_ALLOC_ID: shortId(allocId),
    NOMAD_ALLOC_INDEX: String(allocIndex),
    NOMAD_ALLOC_NAME: `${job.id}.${group.name}[${allocIndex}]`,
    NOMAD_TASK_NAME: task.name,
    NOMAD_GROUP_NAME: group.name,
    NOMAD_JOB_ID: job.id,
    NOMAD_JOB_NAME: job.name,
    NOMAD_NAMESPACE: job.namespace,
    NOMAD_REGION: job.region,
    NOMAD_DC: job.datacenter,
    NOMAD_CPU_LIMIT: String(cpuMhz),
    // The client writes one space if no cores are reserved.
    NOMAD_CPU_CORES: facts.cores || " ",
    NOMAD_MEMORY_LIMIT: String(memoryMb),
    ...(memoryMaxMb ? { NOMAD_MEMORY_MAX_LIMIT: String(memoryMaxMb) } : {}),
    ...portVariables(facts.ports),
    ...upstreamVariables(group, facts.upstreams),
  };
}

/** What a job refers to, and a run does not have. It is reported where the job declares it. */
export interface Absent {
  /** Variables of a dispatch's metadata. */
  readonly variables: ReadonlySet<string>;
  /** Names of the `secret` blocks that a task can refer to. */
  readonly secrets: readonly string[];
  /** Whether the run goes on without secrets. They are empty then. */
  readonly skipsSecrets?: boolean;
}

/**
 * Resolves references as the Nomad client does: `${NAME}` and `${env["NAME"]}`
 * from the environment, `${node.…}` and `${attr.…}` from the node's facts.
 */
export function runtimeLookup(
  env: Readonly<Record<string, string>>,
  node: Readonly<Record<string, string>>,
  absent: Absent = { variables: new Set(), secrets: [] },
): (reference: Reference) => string {
  return ({ root, path, text }) => {
    const ofNode = root === "node" || root === "attr" || root === "meta";
    const name = root === "env" ? path.join(".") : [root, ...path].join(".");
    const known = ofNode ? node : env;
    for (const each of [name, cleanName(name)]) if (Object.hasOwn(known, each)) return known[each] ?? "";
    if (!ofNode && absent.variables.has(cleanName(name)))
      throw new TemplateError(`\${${text}} is given by a dispatch`, text, "reported");
    const isSecret = root === "secret" && absent.secrets.includes(String(path[0]));
    if (isSecret && absent.skipsSecrets) return "";
    const fault = ofNode || isSecret ? "lacking" : "wrong";
    const hint = isSecret ? "The task's secrets are on a cluster." : hintFor(root, name, Object.keys(known));
    throw new TemplateError(`\${${text}} is unknown. ${hint}`, text, fault);
  };
}

function hintFor(root: string, name: string, known: readonly string[]): string {
  if (root === "meta") {
    return `It is metadata of a client's node: --node-meta ${name.slice(5)}=VALUE gives it. The job's own metadata is in NOMAD_META_….`;
  }
  const meant = nearest(name, known);
  const similar = meant === undefined ? "" : `Did you mean \${${meant}}?`;
  // A node has more attributes than a local run knows, so a similar name may be another one.
  if (root === "attr") return `${similar} --node-attr ${name.slice(5)}=VALUE gives it.`.trim();
  if (similar !== "") return similar;
  if (root === "node") return "A local run does not know it.";
  return `To pass the text on unchanged, for instance to a shell, write $\${${name}}.`;
}

function portVariables(ports: AllocationFacts["ports"]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const { label, ip, port, inside } of ports) {
    const name = cleanName(label);
    for (const prefix of ["IP", "HOST_IP"]) variables[`NOMAD_${prefix}_${name}`] = ip;
    for (const prefix of ["PORT", "ALLOC_PORT"]) variables[`NOMAD_${prefix}_${name}`] = String(inside);
    variables[`NOMAD_HOST_PORT_${name}`] = String(port);
    for (const prefix of ["ADDR", "HOST_ADDR"]) variables[`NOMAD_${prefix}_${name}`] = `${ip}:${port}`;
  }
  return variables;
}

/**
 * As on a client, an upstream is where Connect's proxy would listen. In the host's network, `addresses` may
 * have other addresses; a network of the group's own passes connections on to them (bridge.ts). Each variable exists with the upstream's name as written, and with a name that a shell can read.
 */
function upstreamVariables(
  { upstreams, network }: Group,
  addresses: Readonly<Record<string, string>>,
): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const { name, port } of upstreams) {
    const given = network.mode === "bridge" ? undefined : addresses[name];
    const address = given ?? `127.0.0.1:${port}`;
    const colon = address.lastIndexOf(":");
    for (const suffix of [name, cleanName(name)]) {
      variables[`NOMAD_UPSTREAM_ADDR_${suffix}`] = address;
      variables[`NOMAD_UPSTREAM_IP_${suffix}`] = address.slice(0, colon);
      variables[`NOMAD_UPSTREAM_PORT_${suffix}`] = address.slice(colon + 1);
    }
  }
  return variables;
}

/** Two variables for each key: one with the key as written, and one with the key in capitals. */
export function metaVariables(meta: Readonly<Record<string, string>>): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [key, value] of Object.entries(meta)) {
    variables[`NOMAD_META_${cleanName(key)}`] = value;
    variables[`NOMAD_META_${cleanName(key.toUpperCase())}`] = value;
  }
  return variables;
}

/** Replaces characters that the name of a variable cannot have. */
function cleanName(name: string): string {
  return name.replaceAll(/[^\w]/g, "_");
}
