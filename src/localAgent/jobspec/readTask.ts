/** Reads the body of a `task` block. Pure. */
import { isTaskName } from "../../base/taskId.ts";
import type { Resources, Task, Template, VolumeRequest } from "./job.ts";
import { attempt, inside, numbered, report } from "./jobFile.ts";
import { adviceOnDriver } from "./otherDrivers.ts";
import { type JobReader, read } from "./reader.ts";
import { readServices } from "./readServices.ts";
import { readVolumeMounts } from "./readVolumes.ts";
import {
  dispatchPayloadSchema,
  lifecycleSchema,
  logsSchema,
  resourcesSchema,
  taskSchema,
  templateSchema,
} from "./schemas.ts";
import { asList, type Body, body } from "./syntax.ts";

/** What a task has from the blocks around it. */
interface GroupFacts {
  readonly meta: Readonly<Record<string, string>>;
  readonly volumes: readonly VolumeRequest[];
  /** Names of the secrets of the job and the group. */
  readonly secrets: readonly string[];
}

/** @throws InvalidFile, which names the file, the place and what is allowed */
export function readTask(
  reader: JobReader,
  place: string,
  name: string,
  block: Body,
  group: GroupFacts,
): Task {
  const wrong = wrongName(name);
  if (wrong !== undefined) report(reader.file, { place, message: wrong });
  const { attributes, blocks } =
    attempt(reader.file, () => read(reader, "task", place, block, taskSchema)) ??
    // The driver is the only attribute that a task must have.
    read(reader, "task", place, { ...block, driver: "exec2" }, taskSchema);
  const { driver } = attributes;
  if (driver !== "exec2") {
    const hint = adviceOnDriver(driver, attributes.config);
    const message = `this program runs tasks with driver = "exec2" only, not ${JSON.stringify(driver)}`;
    report(reader.file, { place: inside(place, "driver"), message, hint, lacking: true });
  }
  const once = <T extends string>(key: T) => body(reader.file, inside(place, key), blocks[key]);
  const logs = read(reader, "logs", inside(place, "logs"), once("logs"), logsSchema).attributes;
  return {
    name,
    driver,
    ...(attempt(reader.file, () => readPhase(reader, inside(place, "lifecycle"), blocks.lifecycle)) ??
      mainPhase),
    leader: attributes.leader,
    user: attributes.user === "" ? undefined : attributes.user,
    config: attributes.config,
    env: attributes.env,
    meta: { ...group.meta, ...attributes.meta },
    resources: readResources(reader, inside(place, "resources"), once("resources")),
    killSignal: attributes.kill_signal === "" ? undefined : attributes.kill_signal,
    killTimeoutMs: attributes.kill_timeout,
    logsDisabled: logs.disabled,
    templates: asList(blocks.template).flatMap((template, index, all) => {
      const at = numbered(inside(place, "template"), index, all);
      return attempt(reader.file, () => readTemplate(reader, at, template)) ?? [];
    }),
    payloadFile: readPayloadFile(reader, inside(place, "dispatch_payload"), once("dispatch_payload")),
    checks: readServices(reader, inside(place, "service"), blocks.service, { task: name, name }).checks,
    volumeMounts: readVolumeMounts(reader, inside(place, "volume_mount"), blocks.volume_mount, group.volumes),
    secrets: [...group.secrets, ...namesOfSecrets(block.secret)],
  };
}

/** Names of `secret` blocks, which have a label, or are objects of Nomad's API. */
export function namesOfSecrets(value: unknown): string[] {
  return asList(value).flatMap((each) => {
    const { Name } = each as Body;
    return typeof Name === "string" ? [Name] : Object.keys(each);
  });
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

const mainPhase: Pick<Task, "phase" | "sidecar"> = { phase: "main", sidecar: false };

function readPhase(reader: JobReader, place: string, value: unknown): Pick<Task, "phase" | "sidecar"> {
  if (asList(value).length === 0) return mainPhase;
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
    report(reader.file, { place, message: "cpu (MHz) and cores exclude each other" });
  }
  if (memory_max !== undefined && memory_max !== -1 && memory_max < memory) {
    report(reader.file, { place: inside(place, "memory_max"), message: `it is below memory (${memory})` });
  }
  return { cpuMhz: cores > 0 ? 0 : (cpu ?? 100), cores, memoryMb: memory, memoryMaxMb: memory_max };
}

function readPayloadFile(reader: JobReader, place: string, block: Body): string | undefined {
  const { file } = reader;
  if (file.skips.has("dispatch_payload")) file.ignored.add(place);
  else if (Object.keys(block).length > 0)
    return attempt(file, () => read(reader, "dispatchPayload", place, block, dispatchPayloadSchema))
      ?.attributes.file;
  return undefined;
}

/** @returns undefined for a template whose text is in a file of the task, which a local run lacks */
function readTemplate(reader: JobReader, place: string, value: unknown): Template | undefined {
  const block = body(reader.file, place, value);
  if (block.source !== undefined && block.data === undefined) {
    const { source, ...rest } = block;
    const skips = reader.file.skips.has("template");
    if (skips) reader.file.ignored.add(place);
    read(reader, "template", place, { ...(skips ? rest : block), data: "" }, templateSchema);
    return undefined;
  }
  const { attributes } = read(reader, "template", place, block, templateSchema);
  const { data, destination, perms, env, uid, gid, left_delimiter, right_delimiter } = attributes;
  return {
    place,
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
