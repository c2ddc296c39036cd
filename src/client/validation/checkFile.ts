/** Checks a job file, or an agent's configuration of the plugin, independently of the host. */
import {
  type PluginOptions,
  parsePluginOptions,
  pluginOptionsSpec,
} from "../../config/options/pluginOptions.ts";
import { parseTaskOptions } from "../../config/options/taskOptionRules.ts";
import { type TaskOptions, taskOptionsSpec } from "../../config/options/taskOptions.ts";
import { DriverError } from "../../errors.ts";
import { specOf } from "../../grpc/convert/hclSpec.ts";
import type { Group, Job, Task } from "../../jobspec/job.ts";
import { attempt, type JobFile, rejectJob, throwCollected } from "../../jobspec/jobFile.ts";
import { readJobFile } from "../../jobspec/parseJob.ts";
import type { AllocationFacts } from "../../jobspec/resolve/allocationEnvironment.ts";
import { resolveTask } from "../../jobspec/resolve/resolveTask.ts";
import type { VariableSources } from "../../jobspec/resolve/variables.ts";
import { attributeSpecs } from "../plugin/attributeSpecs.ts";
import { fitPluginOptions, type LocalPluginConfig, pluginOptionsIn } from "../plugin/pluginConfig.ts";
import { hostAccess } from "./hostAccess.ts";

export interface CheckedFile {
  readonly kind: "job" | "plugin";
  /** The job; undefined for an agent's configuration. */
  readonly job: Job | undefined;
}

/**
 * @param config the plugin's options, which limit those of tasks
 * @throws InvalidFile with everything that is wrong
 */
export async function checkFile(
  file: JobFile,
  variables: VariableSources,
  config: LocalPluginConfig,
): Promise<CheckedFile> {
  if (isJob(file)) return { kind: "job", job: await checkJob(file, variables, pluginOptionsOf(config)) };
  const options = await pluginOptionsIn(file);
  attempt(file, () =>
    rejecting(file, "plugin.config", () => pluginOptionsOf({ ...config, pluginConfig: options })),
  );
  throwCollected(file);
  return { kind: "plugin", job: undefined };
}

/** @throws InvalidFile with everything that is wrong in the job */
export async function checkJob(
  file: JobFile,
  variables: VariableSources,
  plugin: PluginOptions,
): Promise<Job> {
  const job = await readJobFile(file, { ...variables, host: hostAccess(file.name) });
  const tasks = job?.groups.flatMap((group) => group.tasks.map((task) => ({ job, group, task }))) ?? [];
  for (const place of tasks) attempt(file, () => checkTask(file, place, plugin));
  throwCollected(file);
  return job as Job;
}

/** @throws DriverError `CONFIG_INVALID` */
export function pluginOptionsOf({ pluginConfig, stateDir }: LocalPluginConfig): PluginOptions {
  const specs = attributeSpecs(specOf(pluginOptionsSpec));
  return parsePluginOptions(fitPluginOptions({ ...pluginConfig, state_dir: stateDir }, specs));
}

/** Whether a file is a job file, and not an agent's configuration. */
export function isJob({ source }: JobFile): boolean {
  return /^\s*\{/.test(source) || /^\s*(job|variable|locals)\b/m.test(source);
}

/**
 * The options of a job's tasks, by group and task name. References that only an allocation resolves are kept
 * as text.
 * @throws InvalidFile as {@link checkJob}
 */
export async function taskOptionsIn(
  file: JobFile,
  variables: VariableSources,
  plugin: PluginOptions,
): Promise<readonly JobTaskOptions[]> {
  const job = await checkJob(file, variables, plugin);
  return job.groups.flatMap((group) =>
    group.tasks.map((task) => ({
      job: job.id,
      group: group.name,
      task: task.name,
      options: optionsOf(file, { job, group, task }, plugin),
    })),
  );
}

export interface JobTaskOptions {
  readonly job: string;
  readonly group: string;
  readonly task: string;
  readonly options: TaskOptions;
}

interface TaskPlace {
  readonly job: Job;
  readonly group: Group;
  readonly task: Task;
}

function checkTask(file: JobFile, place: TaskPlace, plugin: PluginOptions): void {
  const { job, group, task } = place;
  const at = `job.${job.id}.group.${group.name}.task.${task.name}.config`;
  rejecting(file, at, () => optionsOf(file, place, plugin));
}

function optionsOf(file: JobFile, place: TaskPlace, plugin: PluginOptions): TaskOptions {
  const { config } = resolveTask(
    file,
    place,
    sampleFacts(place.group),
    attributeSpecs(specOf(taskOptionsSpec())),
  );
  return parseTaskOptions(config, plugin);
}

/** Turns an error about options into a problem of the file. */
function rejecting(file: JobFile, place: string, work: () => unknown): void {
  try {
    work();
  } catch (thrown) {
    if (!(thrown instanceof DriverError) || thrown.code !== "CONFIG_INVALID") throw thrown;
    const { summary, hint, option } = thrown;
    rejectJob(file, { place: option === undefined ? place : `${place}.${option}`, message: summary, hint });
  }
}

/** Stands in for the facts of an allocation. No rule checks these values. */
function sampleFacts({ network }: Group): AllocationFacts {
  return {
    allocId: "00000000-0000-4000-8000-000000000000",
    allocIndex: 0,
    folders: { alloc: "/alloc", task: "/task/local", secrets: "/task/secrets" },
    ports: network.ports.map(({ label, static: port = 20_000, to = port }) => ({
      label,
      ip: "127.0.0.1",
      port,
      inside: to,
    })),
    cores: "",
    now: 0,
    hostEnv: { PATH: "/usr/bin" },
    node: sampleNode,
  };
}

const sampleNode = Object.fromEntries(
  [
    ...["node.unique.id", "node.unique.name", "node.datacenter", "node.region", "node.class", "node.pool"],
    ...["attr.kernel.name", "attr.kernel.version", "attr.kernel.arch", "attr.cpu.arch"],
    ...["attr.cpu.numcores", "attr.unique.hostname", "attr.driver.exec2"],
  ].map((name) => [name, "x"]),
);
