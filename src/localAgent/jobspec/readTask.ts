/** Reads the body of a `task` block. Pure. */
import { isTaskName } from "../../base/taskId.ts";
import type { Phase, Resources, Task, Template, VolumeRequest } from "./job.ts";
import { attempt, inside, rejectJob } from "./jobFile.ts";
import { type JobReader, read } from "./reader.ts";
import { readChecks } from "./readServices.ts";
import { readVolumeMounts } from "./readVolumes.ts";
import { lifecycleSchema, logsSchema, resourcesSchema, taskSchema, templateSchema } from "./schemas.ts";
import { asList, type Body, body } from "./syntax.ts";

/** @throws DriverError `JOB_INVALID`, which names the file, the place and what is allowed */
export function readTask(
  reader: JobReader,
  place: string,
  name: string,
  block: Body,
  group: { readonly meta: Readonly<Record<string, string>>; readonly volumes: readonly VolumeRequest[] },
): Task {
  const wrong = wrongName(name);
  if (wrong !== undefined) rejectJob(reader.file, { place, message: wrong });
  const { attributes, blocks } =
    attempt(reader.file, () => read(reader, "task", place, block, taskSchema)) ??
    // If an attribute is wrong, all attributes but `config` get their defaults, and the rest of the task is
    // still read.
    read(reader, "task", place, { ...withoutAttributes(block), driver: "exec2" }, taskSchema);
  const once = <T extends string>(key: T) => body(reader.file, inside(place, key), blocks[key]);
  const logs = read(reader, "logs", inside(place, "logs"), once("logs"), logsSchema).attributes;
  return {
    name,
    ...readPhase(reader, inside(place, "lifecycle"), blocks.lifecycle),
    leader: attributes.leader,
    user: attributes.user === "" ? undefined : attributes.user,
    config: attributes.config,
    env: attributes.env,
    meta: { ...group.meta, ...attributes.meta },
    resources:
      attempt(reader.file, () => readResources(reader, inside(place, "resources"), once("resources"))) ??
      readResources(reader, place, {}),
    killSignal: attributes.kill_signal === "" ? undefined : attributes.kill_signal,
    killTimeoutMs: attributes.kill_timeout,
    logsDisabled: logs.disabled,
    templates: asList(blocks.template).flatMap(
      (template) =>
        attempt(reader.file, () => readTemplate(reader, inside(place, "template"), template)) ?? [],
    ),
    checks: readChecks(reader, inside(place, "service"), blocks.service, { task: name, name }),
    volumeMounts: readVolumeMounts(reader, inside(place, "volume_mount"), blocks.volume_mount, group.volumes),
  };
}

/**
 * Cgroups, folders and pipes are named after a task.
 * @returns why a task cannot have this name
 */
function wrongName(name: string): string | undefined {
  // Nomad itself refuses these characters, too.
  if (/[/\\]/.test(name)) return "a task's name may not contain a slash";
  if (!isTaskName(name)) return "a task may not have this name: the task would have no folder of its own";
  if (name.includes("\n")) return "a task's name may not contain a line break: a cgroup's name may not";
  if (name === "alloc") return "the folder that an allocation's tasks share has this name";
  if (Buffer.byteLength(name) > maxNameLength) return `a task's name has at most ${maxNameLength} bytes`;
  return undefined;
}

/**
 * Maximum number of bytes. The longest name that contains a task's name is that of its cgroup,
 * `<allocation id>.<name>.scope`. The cgroup's name is 43 bytes longer, and Linux allows 255 bytes.
 */
const maxNameLength = 200;

function withoutAttributes({
  config,
  lifecycle,
  logs,
  resources,
  service,
  template,
  volume_mount,
}: Body): Body {
  return { config, lifecycle, logs, resources, service, template, volume_mount };
}

function readPhase(reader: JobReader, place: string, value: unknown): { phase: Phase; sidecar: boolean } {
  if (asList(value).length === 0) return { phase: "main", sidecar: false };
  const { hook, sidecar } = read(
    reader,
    "lifecycle",
    place,
    body(reader.file, place, value),
    lifecycleSchema,
  ).attributes;
  return { phase: hook, sidecar };
}

function readResources(reader: JobReader, place: string, block: Body): Resources {
  const { cpu, cores, memory, memory_max } = read(
    reader,
    "resources",
    place,
    block,
    resourcesSchema,
  ).attributes;
  if (cpu !== undefined && cores > 0) {
    rejectJob(reader.file, { place, message: "cpu (MHz) and cores exclude each other" });
  }
  if (memory_max !== undefined && memory_max !== -1 && memory_max < memory) {
    rejectJob(reader.file, { place: inside(place, "memory_max"), message: `it is below memory (${memory})` });
  }
  return { cpuMhz: cores > 0 ? 0 : (cpu ?? 100), cores, memoryMb: memory, memoryMaxMb: memory_max };
}

function readTemplate(reader: JobReader, place: string, value: unknown): Template {
  const block = body(reader.file, place, value);
  const { attributes } = read(reader, "template", place, block, templateSchema);
  const { data, destination, perms, env, uid, gid, left_delimiter, right_delimiter } = attributes;
  return {
    data,
    destination,
    perms,
    env,
    uid,
    gid,
    leftDelimiter: left_delimiter,
    rightDelimiter: right_delimiter,
  };
}
