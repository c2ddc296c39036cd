/** Reads the checks of `service` blocks. The services themselves are registered nowhere. Pure. */

import type { Check, CheckRestart, PortRequest, Probe, Upstream } from "./job.ts";
import { attempt, inside, numbered, rejectJob, report } from "./jobFile.ts";
import { type JobReader, read } from "./reader.ts";
import { checkRestartSchema, checkSchema, serviceSchema, upstreamSchema } from "./schemas.ts";
import { asList, type Body, body } from "./syntax.ts";

/** The place of a service in the job. */
export interface ServiceOwner {
  /** The task's name; undefined for a service of the group. */
  readonly task: string | undefined;
  /** Names a service that has no name of its own. */
  readonly name: string;
}

export interface Services {
  readonly checks: readonly Check[];
  readonly upstreams: readonly Upstream[];
}

/** @returns what is valid; `reader.file` collects the problems of the rest */
export function readServices(
  reader: JobReader,
  place: string,
  value: unknown,
  owner: ServiceOwner,
): Services {
  const services = asList(value).map((each, index, all) => {
    const at = numbered(place, index, all);
    const block = body(reader.file, at, each);
    const checks = attempt(reader.file, () => readService(reader, at, block, owner)) ?? [];
    return { checks, upstreams: upstreamsOf(reader, at, block) };
  });
  return {
    checks: services.flatMap(({ checks }) => checks),
    upstreams: services.flatMap(({ upstreams }) => upstreams),
  };
}

/** The upstreams of a `connect` block, in a job file's form or in that of Nomad's API. */
function upstreamsOf(reader: JobReader, place: string, block: Body): Upstream[] {
  const step = (values: readonly unknown[], key: string, apiKey: string) =>
    values.flatMap((value) => asList((value as Body)[key] ?? (value as Body)[apiKey]));
  const proxies = step(step(asList(block.connect), "sidecar_service", "SidecarService"), "proxy", "Proxy");
  return step(proxies, "upstreams", "Upstreams").flatMap((each) => {
    const { DestinationName, LocalBindPort, ...written } = each as Body;
    const values = { destination_name: DestinationName, local_bind_port: LocalBindPort, ...written };
    const at = inside(place, "connect.sidecar_service.proxy.upstreams");
    const { destination_name, local_bind_port } =
      attempt(reader.file, () => read(reader, "upstream", at, values, upstreamSchema))?.attributes ?? {};
    if (destination_name === undefined || local_bind_port === undefined) return [];
    return [{ name: destination_name, port: local_bind_port }];
  });
}

function readService(
  reader: JobReader,
  place: string,
  block: Readonly<Record<string, unknown>>,
  owner: ServiceOwner,
): Check[] {
  const { attributes, blocks } = read(reader, "service", place, block, serviceSchema);
  const service = { ...owner, name: nameOf(attributes.name, owner) };
  const restart = readRestart(reader, inside(place, "check_restart"), blocks.check_restart);
  const checks = asList(blocks.check);
  if (checks.length === 0) reader.file.ignored.add(place);
  return checks.flatMap((each, index, all) => {
    const at = numbered(inside(place, "check"), index, all);
    const check = body(reader.file, at, each);
    return attempt(reader.file, () => readCheck(reader, at, check, service, attributes.port, restart)) ?? [];
  });
}

/** The service's name. What `JOB` and `TASKGROUP` stand for in it, only an allocation knows. */
function nameOf(name: string, owner: ServiceOwner): string {
  // A service of a group has "group" in place of a task's name.
  const task = owner.task ?? "group";
  return (name || owner.name)
    .replaceAll(/\$\{BASE\}/g, `\${JOB}-\${TASKGROUP}-${task}`)
    .replaceAll(/\$\{TASK\}/g, task);
}

function readCheck(
  reader: JobReader,
  place: string,
  block: Readonly<Record<string, unknown>>,
  service: ServiceOwner,
  servicePort: string,
  restart: CheckRestart | undefined,
): Check | undefined {
  const { attributes, blocks } = read(reader, "check", place, block, checkSchema);
  const { name, type, task, port, path } = attributes;
  if (type === "grpc") {
    reader.file.ignored.add(`${place} of type grpc`);
    return undefined;
  }
  const owner = task === "" ? service.task : task;
  if (type === "script" && owner === undefined) {
    rejectJob(reader.file, {
      place,
      message: 'a script check of a group\'s service must name the task that runs the script: task = "NAME"',
    });
  }
  const probe = probeOf(reader, place, attributes, port || servicePort);
  const what = type === "http" ? `http on ${path}` : type;
  return {
    name: `${service.name}: ${name || what}`,
    probe,
    task: owner,
    intervalMs: attributes.interval,
    timeoutMs: attributes.timeout,
    successBeforePassing: Math.max(1, attributes.success_before_passing),
    failuresBeforeCritical: Math.max(1, attributes.failures_before_critical),
    restart: readRestart(reader, inside(place, "check_restart"), blocks.check_restart) ?? restart,
  };
}

function probeOf(
  { file }: JobReader,
  place: string,
  check: (typeof checkSchema)["_output"],
  port: string,
): Probe {
  const { type, path, command } = check;
  if (type === "script") {
    if (command === "") rejectJob(file, { place, message: "a script needs its command" });
    return { kind: "script", command, args: check.args };
  }
  if (port === "") {
    rejectJob(file, { place, message: "neither the check nor its service names a port" });
  }
  if (type !== "http") return { kind: "tcp", port };
  if (!path.startsWith("/")) report(file, { place: inside(place, "path"), message: "must begin with /" });
  return {
    kind: "http",
    port,
    secure: check.protocol === "https",
    verifies: !check.tls_skip_verify,
    method: check.method,
    path,
    headers: check.header,
    body: check.body,
  };
}

function readRestart(reader: JobReader, place: string, value: unknown): CheckRestart | undefined {
  if (asList(value).length === 0) return undefined;
  const block = body(reader.file, place, value);
  const { limit, grace } = read(reader, "checkRestart", place, block, checkRestartSchema).attributes;
  return limit === 0 ? undefined : { limit, graceMs: grace };
}

/** Collects a problem for each check whose port or task the group does not have. */
export function refuseStrayChecks(
  { file }: JobReader,
  place: string,
  checks: readonly Check[],
  ports: readonly PortRequest[],
  tasks: readonly string[],
): void {
  for (const { name, probe, task } of checks) {
    if (task !== undefined && !tasks.includes(task)) {
      report(file, { place, message: `check ${name}: the group has no task ${task}` });
    }
    if (probe.kind === "script" || /^\d+$/.test(probe.port)) continue;
    if (!ports.some(({ label }) => label === probe.port)) {
      const message = `check ${name}: the group's network has no port ${probe.port}`;
      report(file, { place, message });
    }
  }
}
