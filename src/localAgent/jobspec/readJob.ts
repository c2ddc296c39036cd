/** Reads a job file, HCL2 or JSON, into a validated {@link Job}. Pure. */
import { apiJobToBody } from "./apiJob.ts";
import type { Group, Job, Network, PortRequest } from "./job.ts";
import { attempt, inside, type JobFile, rejectJob, report } from "./jobFile.ts";
import { supportedPart } from "./keys.ts";
import { type JobReader, read } from "./reader.ts";
import { readChecks, refuseStrayChecks } from "./readServices.ts";
import { readTask } from "./readTask.ts";
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
  return attempt(file, () => readJob({ file, scope, scopes: new WeakMap(), skippedVolumes: new Set() }, top));
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
  return {
    id,
    name: attributes.name ?? id,
    namespace: attributes.namespace,
    region: attributes.region,
    datacenter: attributes.datacenters.find((name) => !name.includes("*")) ?? "dc1",
    groups: readGroups(reader, place, blocks, attributes.meta),
    ignored: ignoredIn(file, place),
  };
}

/** Without the job's name and the numbers of blocks. */
function ignoredIn({ ignored }: JobFile, place: string): string[] {
  const names = [...ignored].map((name) => name.replace(`${place}.`, "").replaceAll(/\[\d+\]/g, ""));
  return [...new Set(names)].sort();
}

type Meta = Readonly<Record<string, string>>;

function readGroups(reader: JobReader, place: string, blocks: Body, meta: Meta): Group[] {
  const groups = labelled(reader.file, inside(place, "group"), blocks.group).map(({ label, block }) =>
    attempt(reader.file, () => readGroup(reader, `${place}.group.${label}`, label, block, meta)),
  );
  // A task directly below the job forms a group of the same name.
  const ungrouped = labelled(reader.file, inside(place, "task"), blocks.task).map(({ label, block }) =>
    attempt(reader.file, () => readGroup(reader, place, label, { task: { [label]: block } }, meta)),
  );
  const all = [...groups, ...ungrouped];
  if (all.length === 0) {
    report(reader.file, { place, message: "the job has no group, so there is nothing to run" });
  }
  const read = all.filter((group) => group !== undefined);
  checkStaticPorts(reader, place, read);
  return read;
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

function readGroup(reader: JobReader, place: string, name: string, block: Body, jobMeta: Meta): Group {
  const { attributes, blocks } = read(reader, "group", place, block, groupSchema);
  const meta = { ...jobMeta, ...attributes.meta };
  const volumes = readVolumes(reader, inside(place, "volume"), blocks.volume);
  const network =
    attempt(reader.file, () => readNetwork(reader, inside(place, "network"), blocks.network)) ?? noNetwork;
  const tasks = labelled(reader.file, inside(place, "task"), blocks.task).map(({ label, block: task }) =>
    attempt(reader.file, () => readTask(reader, `${place}.task.${label}`, label, task, { meta, volumes })),
  );
  if (!tasks.some((task) => task === undefined || task.phase === "main")) {
    report(reader.file, { place, message: "the group has no main task, so there is nothing to run" });
  }
  const known = tasks.filter((task) => task !== undefined);
  const owner = { task: undefined, name };
  const checks = [
    ...readChecks(reader, inside(place, "service"), blocks.service, owner),
    ...known.flatMap((task) => task.checks),
  ];
  const names = known.map((task) => task.name);
  refuseStrayChecks(reader, inside(place, "service"), checks, network.ports, names);
  return { name, count: attributes.count, network, tasks: known, checks };
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

/** A mode that a local run has. Reports other modes of Nomad. */
function knownMode({ file }: JobReader, place: string, mode: string): Network["mode"] {
  if (mode === "host" || mode === "bridge" || mode === "none") return mode;
  const message = `a local run has no CNI: ${mode} needs a plugin that a Nomad client calls`;
  report(file, { place: inside(place, "mode"), message, lacking: true });
  return "host";
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
