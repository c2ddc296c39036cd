/** Reads a job file, HCL2 or JSON, into a validated {@link Job}. Pure. */
import { suggestion } from "../../base/suggest.ts";
import { apiJobToBody } from "./apiJob.ts";
import type { Group, Job, Network, PortRequest } from "./job.ts";
import { attempt, inside, type JobFile, type Problem, rejectJob, report } from "./jobFile.ts";
import { checkJobType, type JobType } from "./jobTypes.ts";
import { skipOrReport, supportedPart } from "./keys.ts";
import { readDispatch } from "./readDispatch.ts";
import { type JobReader, read } from "./reader.ts";
import { readServices, refuseStrayChecks } from "./readServices.ts";
import { namesOfSecrets, readTask } from "./readTask.ts";
import { readVolumes } from "./readVolumes.ts";
import { readFileScope, type VariableSources } from "./resolve/variables.ts";
import { dnsSchema, groupSchema, jobSchema, networkSchema, portSchema } from "./schemas.ts";
import { asList, type Body, body, labelled, parseFile } from "./syntax.ts";

/**
 * Reads as much of the job as possible. Wrong parts become problems of the file, and are replaced by
 * defaults.
 * @returns undefined only if there are problems
 * @throws InvalidFile for a file whose syntax is wrong
 */
export async function readJobFile(file: JobFile, variables: VariableSources): Promise<Job | undefined> {
  const content = await parseFile(file);
  const top = apiJobToBody(content) ?? supportedPart(file, "file", "", content).blocks;
  const scope = await readFileScope(file, top, variables);
  return attempt(file, () =>
    readJob({ file, scope, scopes: new WeakMap(), skippedVolumes: new Set(), names: new Set() }, top),
  );
}

/** @throws DriverError `JOB_INVALID`, which names the file, the place and what is allowed */
function readJob(reader: JobReader, top: Body): Job {
  const { file } = reader;
  const [job, second] = labelled(file, "job", top.job);
  if (!job) {
    const message = file.source.trim() === "" ? "the file is empty" : "there is no job block in this file";
    return rejectJob(file, { place: "", message });
  }
  if (second) return rejectJob(file, { place: "", message: "there is more than one job block in this file" });
  const place = `job.${job.label}`;
  const { attributes, blocks } = read(reader, "job", place, job.block, jobSchema);
  const id = attributes.id ?? job.label;
  checkJobType(file, place, job.block, attributes.type);
  const dispatch = attempt(file, () =>
    readDispatch(reader, inside(place, "parameterized"), blocks.parameterized),
  );
  const groups = readGroups(reader, place, blocks, {
    type: attributes.type,
    meta: { ...dispatch?.defaults, ...attributes.meta, ...dispatch?.meta },
    secrets: namesOfSecrets(job.block.secret),
  });
  return {
    id,
    name: attributes.name ?? id,
    namespace: attributes.namespace,
    region: attributes.region,
    datacenter: attributes.datacenters.find((name) => !name.includes("*")) ?? "dc1",
    groups,
    // Read late: whether a template is skipped is known only once its text has been looked at.
    get ignored() {
      return ignoredIn(file, place);
    },
  };
}

/** Without the job's name and the numbers of blocks. */
function ignoredIn({ ignored }: JobFile, place: string): string[] {
  const names = [...ignored].map((name) => name.replace(`${place}.`, "").replaceAll(/\[\d+\]/g, ""));
  return [...new Set(names)].sort();
}

/** What groups have from their job. */
interface JobFacts {
  readonly type: JobType;
  readonly meta: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
}

function readGroups(reader: JobReader, place: string, blocks: Body, job: JobFacts): Group[] {
  const { file } = reader;
  const groups = labelled(file, inside(place, "group"), blocks.group).map(({ label, block }) =>
    attempt(file, () => readGroup(reader, `${place}.group.${label}`, label, block, job)),
  );
  // A task directly below the job forms a group of the same name.
  const ungrouped = labelled(file, inside(place, "task"), blocks.task).map(({ label, block }) =>
    attempt(file, () => readGroup(reader, place, label, { task: { [label]: block } }, job)),
  );
  const all = [...groups, ...ungrouped];
  if (all.length === 0) report(file, { place, message: "the job has no group, so there is nothing to run" });
  const read = all.filter((group) => group !== undefined);
  const wanted = file.tasks === undefined ? read : read.filter(({ tasks }) => tasks.length > 0);
  checkNames(reader, place, all.includes(undefined) ? undefined : wanted);
  checkStaticPorts(reader, place, wanted);
  return wanted;
}

/**
 * Rejects names that were given on the command line, and that the job does not have.
 * @param groups undefined if not all groups could be read
 */
function checkNames({ file, names }: JobReader, place: string, groups: readonly Group[] | undefined): void {
  if (groups === undefined) return;
  const upstreams = groups.flatMap((group) => group.upstreams.map(({ name }) => name));
  for (const [option, given, known] of [
    ["--task", [...(file.tasks ?? [])], [...names]],
    ["--upstream", Object.keys(file.upstreams), upstreams],
  ] as const) {
    for (const name of given) {
      if (known.includes(name)) continue;
      const hint = suggestion(name, known);
      report(file, { place, message: `${option} ${name}: the job has none of this name`, hint });
    }
  }
}

/** Rejects a static port that two allocations need, because a host has each port only once. */
function checkStaticPorts({ file }: JobReader, place: string, groups: readonly Group[]): void {
  const owners = new Map<number, string>();
  for (const { name, count, network } of groups) {
    for (const { label, static: port } of network.ports) {
      if (port === undefined || count === 0) continue;
      const at = `${place}.group.${name}.network.port.${label}`;
      const owner = owners.get(port) ?? (count > 1 ? `all ${count} instances of the group` : undefined);
      owners.set(port, `port ${label} of group ${name}`);
      if (owner === undefined) continue;
      const message = `one host cannot give port ${port} to ${owner}${count > 1 ? "" : " and to this port"}`;
      report(file, { place: at, message, hint: "Leave out static to get a free port." });
    }
  }
}

function readGroup(reader: JobReader, place: string, name: string, block: Body, job: JobFacts): Group {
  const { attributes, blocks } = read(reader, "group", place, block, groupSchema);
  checkJobType(reader.file, place, block, job.type);
  if (job.type === "system" && attributes.count > 1) {
    const message = "a job of type system has one allocation of a group on each node: leave out count";
    report(reader.file, { place: inside(place, "count"), message });
  }
  const meta = { ...job.meta, ...attributes.meta };
  const secrets = [...job.secrets, ...namesOfSecrets(block.secret)];
  const volumes = readVolumes(reader, inside(place, "volume"), blocks.volume);
  const network =
    attempt(reader.file, () => readNetwork(reader, inside(place, "network"), blocks.network)) ?? noNetwork;
  const all = labelled(reader.file, inside(place, "task"), blocks.task);
  for (const { label, block: task } of all)
    checkJobType(reader.file, `${place}.task.${label}`, task, job.type);
  const names = all.map(({ label }) => label);
  for (const each of names) reader.names.add(each);
  const wanted = all.filter(({ label }) => reader.file.tasks?.has(label) ?? true);
  for (const { label } of all)
    if (!wanted.some((each) => each.label === label)) reader.file.ignored.add(`${place}.task.${label}`);
  const tasks = wanted.map(({ label, block: task }) =>
    attempt(reader.file, () =>
      readTask(reader, `${place}.task.${label}`, label, task, { meta, volumes, secrets }),
    ),
  );
  const hasMain = tasks.some((task) => task === undefined || task.phase === "main");
  if (!hasMain && reader.file.tasks === undefined) report(reader.file, { place, ...withoutMain(blocks) });
  const known = tasks.filter((task) => task !== undefined);
  const owner = { task: undefined, name };
  const { checks, upstreams } = readServices(reader, inside(place, "service"), blocks.service, owner);
  const everyCheck = [...checks, ...known.flatMap((task) => task.checks)];
  refuseStrayChecks(reader, inside(place, "service"), everyCheck, network.ports, names);
  return {
    name,
    count: attributes.count,
    network,
    // Tasks that were chosen run, even if none of them is a main task.
    tasks: hasMain ? known : known.map((task) => ({ ...task, phase: "main" as const, sidecar: false })),
    checks: everyCheck.filter(({ task }) => task === undefined || known.some((each) => each.name === task)),
    upstreams,
  };
}

/** Why nothing of a group can run. The task of a gateway of the mesh is added by Nomad's server. */
function withoutMain({ service }: Body): Pick<Problem, "message" | "lacking"> {
  const connects = asList(service).flatMap((each) =>
    asList((each as Body).connect ?? (each as Body).Connect),
  );
  const isGateway = connects.some((each) => ["gateway", "Gateway"].some((key) => (each as Body)[key]));
  return isGateway
    ? { message: "the group's only task is a gateway, which a Nomad client starts", lacking: true }
    : { message: "the group has no main task, so there is nothing to run" };
}

/** Stands in for a network that is wrong, while the rest of the group is read. */
const noNetwork: Network = { mode: "host", hostname: undefined, ports: [], dns: undefined };

function readNetwork(reader: JobReader, place: string, value: unknown): Network {
  const block = body(reader.file, place, value);
  const { attributes, blocks } = read(reader, "network", place, block, networkSchema);
  const dns = body(reader.file, inside(place, "dns"), blocks.dns);
  const { hostname } = attributes;
  const mode = knownMode(reader, place, attributes.mode);
  // In the host's network a task keeps the host's name, as on a cluster.
  if (mode === "host" && hostname !== "") reader.file.ignored.add(inside(place, "hostname"));
  return {
    mode,
    hostname: mode === "host" || hostname === "" ? undefined : hostname,
    ports: labelled(reader.file, inside(place, "port"), blocks.port).map(({ label, block: port }) =>
      readPort(reader, `${place}.port.${label}`, label, port, mode),
    ),
    dns:
      asList(blocks.dns).length === 0
        ? undefined
        : read(reader, "dns", `${place}.dns`, dns, dnsSchema).attributes,
  };
}

/** A mode that a local run has. Without CNI, a group has a network of its own, too. Reports other modes of Nomad. */
function knownMode({ file }: JobReader, place: string, mode: string): Network["mode"] {
  if (mode === "host" || mode === "bridge" || mode === "none") return mode;
  const message = `a local run has no CNI: ${mode} needs a plugin that a Nomad client calls`;
  skipOrReport(file, inside(place, "mode"), "cni", message);
  return "bridge";
}

function readPort(
  reader: JobReader,
  place: string,
  label: string,
  block: Body,
  mode: Network["mode"],
): PortRequest {
  const { attributes } = read(reader, "port", place, block, portSchema);
  const to = attributes.to > 0 ? attributes.to : undefined;
  // As on a client, the task gets the number in NOMAD_PORT_…, but nothing maps it to the host's port.
  if (to !== undefined && to !== attributes.static && mode !== "bridge")
    reader.file.ignored.add(inside(place, "to"));
  return { label, static: attributes.static, to };
}
