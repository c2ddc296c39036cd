/** Checks a job file, or an agent's configuration of the plugin, independently of the host. */

import { DriverError } from "../../base/errors.ts";
import {
  type PluginOptions,
  parsePluginOptions,
  pluginOptionsSpec,
  pluginSchema,
} from "../../driver/options/pluginOptions.ts";
import { needsCores } from "../../effects/cgroup/options.ts";
import { capabilitySet, noCapabilities } from "../../effects/kernel/capabilities.ts";
import { foldersIn, type PlacedMount, placeMounts, rootDirPlace } from "../../effects/layout/layout.ts";
import { placeMountBlocks } from "../../effects/layout/mountBlocks.ts";
import { logDestination } from "../../effects/logs/options.ts";
import {
  type DeprecatedOption,
  deprecatedAmong,
  deprecationText,
} from "../../effects/options/deprecation.ts";
import { limitWithin } from "../../effects/options/fields.ts";
import { InvalidOptions } from "../../effects/options/hclOptions.ts";
import { parseTaskOptions, type TaskOptions, taskOptionsSpec, taskSchema } from "../../effects/parts.ts";
import { refuseDisallowed, wantedCapabilities } from "../../effects/users/capabilityOptions.ts";
import { specOf } from "../../grpc/options.ts";
import { formatMebibytes } from "../../units/sizes.ts";
import { type Group, hostVolumeOf, type Job, type Task } from "../jobspec/job.ts";
import {
  collected,
  type FoundProblem,
  InvalidFile,
  inside,
  isAtOrIn,
  type JobFile,
  located,
  type Problem,
  report,
  throwCollected,
} from "../jobspec/jobFile.ts";
import { readJobFile } from "../jobspec/readJob.ts";
import { hostnameRefusal } from "../jobspec/refusals.ts";
import type { AllocationFacts } from "../jobspec/resolve/allocationEnvironment.ts";
import { type ResolvedTask, resolveTask } from "../jobspec/resolve/resolveTask.ts";
import type { VariableSources } from "../jobspec/resolve/variables.ts";
import { type Body, isJson, parseJson } from "../jobspec/syntax.ts";
import {
  attributeSpecs,
  fitPluginOptions,
  followPluginSpec,
  isAgentConfig,
  type LocalPluginConfig,
  pluginOptionsIn,
} from "./pluginConfig.ts";

export interface CheckedFile {
  /** `agent`: an agent's configuration without a block for this driver. */
  readonly kind: "job" | "plugin" | "agent";
  /** The job; undefined if the file is not a job file. */
  readonly job: Job | undefined;
  /** Valid parts of the job that a local run lacks. `run` refuses the job because of them. */
  readonly lacking: readonly FoundProblem[];
  /** Parts that have no effect with the plugin's options, or on many hosts, or that a later version will not have. */
  readonly warnings: readonly FoundProblem[];
}

/**
 * Checks a file.
 * @param config the plugin's options, which limit the tasks' options
 * @throws InvalidFile with everything that is wrong, and what a local run lacks besides
 */
export async function checkFile(
  file: JobFile,
  variables: VariableSources,
  config: LocalPluginConfig,
): Promise<CheckedFile> {
  if (isJob(file)) {
    const plugin = pluginOptionsOf(config);
    const job = await readChecked(file, variables, plugin);
    checkVolumes(file, job);
    const own = tasksOf(job).filter(({ task }) => task.driver === "exec2");
    const effects = own.flatMap((place) => [
      ...checkLogs(file, place, plugin),
      ...checkWeight(file, place),
      ...checkDeprecated(file, place),
    ]);
    for (const place of tasksOf(job))
      for (const problem of clientsDecisions(file, place, plugin)) report(file, problem);
    // Without a client's block, what it decides is not wrong.
    const { pluginConfig } = config;
    const isAtHand = Object.keys(pluginConfig).some((name) => name !== "unveil_by_task");
    const open = isAtHand ? [] : collected(file).filter(isClientsDecision);
    const lacking = collected(file).filter((each) => !open.includes(each));
    const warnings = [...effects, ...open];
    if (lacking.some((each) => !each.lacking)) throw new InvalidFile(lacking);
    return { kind: "job", job, lacking, warnings };
  }
  const options = await pluginOptionsIn(file);
  throwCollected(file);
  const nothing = { job: undefined, lacking: [] };
  if (options === undefined) return { kind: "agent", ...nothing, warnings: [] };
  checkPluginOptions(file, { ...options, state_dir: config.stateDir });
  throwCollected(file);
  const deprecated = deprecatedAmong(pluginSchema, Object.keys(options));
  return { kind: "plugin", ...nothing, warnings: deprecated.map(warningAt(file, "plugin.config")) };
}

/** @throws InvalidFile with everything that is wrong in the job, or that a local run lacks */
export async function checkJob(
  file: JobFile,
  variables: VariableSources,
  plugin: PluginOptions,
): Promise<Job> {
  const job = await readChecked(file, variables, plugin);
  checkVolumes(file, job);
  throwCollected(file);
  return job as Job;
}

/** Reads and checks a job. The file collects its problems. */
async function readChecked(
  file: JobFile,
  variables: VariableSources,
  plugin: PluginOptions,
): Promise<Job | undefined> {
  const job = await readJobFile(file, variables);
  for (const place of tasksOf(job)) checkTask(file, place, plugin);
  return job;
}

function tasksOf(job: Job | undefined): TaskPlace[] {
  return job?.groups.flatMap((group) => group.tasks.map((task) => ({ job, group, task }))) ?? [];
}

/** @throws DriverError `CONFIG_INVALID` */
export function pluginOptionsOf({ pluginConfig, stateDir }: LocalPluginConfig): PluginOptions {
  const specs = attributeSpecs(specOf(pluginOptionsSpec));
  return parsePluginOptions(fitPluginOptions({ ...pluginConfig, state_dir: stateDir }, specs));
}

/** Whether a file is a job file, and not an agent's configuration. */
export function isJob(file: JobFile): boolean {
  if (isJson(file)) return !isAgentConfig(parseJson(file));
  return file.source.trim() === "" || /^\s*(job|variable|locals)\b/m.test(file.source);
}

/**
 * The options of a job's tasks, by group and task name. Sample values replace references that
 * only an allocation resolves.
 * @throws InvalidFile as {@link checkJob}
 */
export async function taskOptionsIn(
  file: JobFile,
  variables: VariableSources,
  plugin: PluginOptions,
): Promise<readonly JobTaskOptions[]> {
  const job = await readChecked(file, variables, plugin);
  throwCollected(file);
  if (job === undefined) return [];
  return job.groups.flatMap((group) =>
    group.tasks.map((task) => ({
      job: job.id,
      group: group.name,
      task: task.name,
      options: parseTaskOptions(sampleOf(file, { job, group, task }).config, plugin),
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

function checkPluginOptions(file: JobFile, options: Body): void {
  const fitted = followPluginSpec(options, attributeSpecs(specOf(pluginOptionsSpec)));
  for (const { attribute, message } of fitted.mismatches)
    file.problems.push(located(file, { place: `plugin.config.${attribute}`, message }));
  checkOptions(file, "plugin.config", fitted.config, () => parsePluginOptions(fitted.config));
}

function checkTask(file: JobFile, place: TaskPlace, plugin: PluginOptions): void {
  const { task } = place;
  const at = pathOf(place);
  // A task of another driver has other options.
  if (task.driver !== "exec2") return;
  const { config } = sampleOf(file, place);
  checkOptions(file, `${at}.config`, config, () => parseTaskOptions(config, plugin));
  checkOptions(file, `${at}.config`, config, () => acceptedOptions(file, place, plugin));
  checkBeyondOptions(file, place, plugin);
}

/** What depends on the job's other blocks, and is refused at a task's start: every client refuses it. */
function checkBeyondOptions(file: JobFile, place: TaskPlace, plugin: PluginOptions): void {
  const { group, task } = place;
  const { config, mounts, hostname } = sampleOf(file, place);
  const options = acceptedOptionsIfAny(file, place, plugin);
  if (options === undefined) return;
  const at = `${pathOf(place)}.config`;
  if (options.numaMemory !== undefined && task.resources.cores === 0)
    checkOptions(file, at, config, () => {
      throw needsCores();
    });
  const { rootDir } = options;
  if (rootDir !== undefined) checkOptions(file, at, config, () => rootDirPlace(rootDir, sampleFolders));
  const targets = mounts.map(({ destination, readOnly, source }) => ({
    ...{ source, target: destination, readOnly, propagation: "private" as const },
  }));
  let placed: readonly PlacedMount[] = [];
  if (mounts.every(({ destination }) => destination !== ""))
    checkOptions(file, at, config, () => {
      placed = placeMounts({ mounts: targets, devices: [] }, sampleFolders, options.idmappedVolumes);
    });
  checkOptions(file, at, config, () => placeMountBlocks(options.mount, placed, sampleFolders));
  for (const mount of task.volumeMounts)
    if (mount.propagation === "bidirectional")
      report(file, {
        place: inside(mount.place, "propagation_mode"),
        message: "Landlock lets no task mount anything, so nothing could reach the host",
        hint: 'Write propagation_mode = "host-to-task"',
      });
  const named = `job.${place.job.id}.group.${group.name}.network.hostname`;
  // Once for all tasks of the group.
  if (hostname !== undefined && hostname !== "" && !file.problems.some((each) => each.place === named))
    report(file, { place: named, ...hostnameRefusal });
}

/**
 * What only a client's block of this driver decides, beyond its options alone.
 * @returns nothing wrong in the job itself
 */
function clientsDecisions(file: JobFile, place: TaskPlace, plugin: PluginOptions): Problem[] {
  if (place.task.driver !== "exec2") return [];
  const options = acceptedOptionsIfAny(file, place, plugin);
  if (options === undefined) return [];
  const checks = [
    () => refuseDisallowed(capabilitySet(plugin.allowCaps), wantedCapabilities(noCapabilities, options)),
    () => limitWithin("logMaxFiles", options.logMaxFiles, plugin.logMaxFiles),
    () => limitWithin("logMaxFileSize", options.logMaxFileSize, plugin.logMaxFileSize, formatMebibytes),
    () => refuseTmpSize(options, plugin),
  ];
  const at = `${pathOf(place)}.config`;
  return checks.flatMap((check) =>
    optionProblems(check).map(({ option, ...problem }) => ({
      ...problem,
      place: option === undefined ? at : inside(at, option),
    })),
  );
}

function refuseTmpSize({ tmpSize }: TaskOptions, { privateTmp }: PluginOptions): void {
  if (tmpSize === undefined || privateTmp) return;
  throw new DriverError(
    "CONFIG_INVALID",
    "tmp_size needs a /tmp of the task's own, and the plugin has private_tmp = false",
    {
      option: "tmp_size",
      hint: "Remove it, or set private_tmp = true in the client's plugin block of this driver",
    },
  );
}

/**
 * A task's options, without those that this client does not allow and another may. The file collects these.
 * @throws DriverError `CONFIG_INVALID` for what no client accepts
 */
function acceptedOptions(file: JobFile, place: TaskPlace, plugin: PluginOptions): TaskOptions {
  const generous = everythingAllowed(plugin);
  // Each option that is refused hides the next.
  withoutRefused(file, place, plugin);
  return parseTaskOptions(withoutRefused(file, place, generous), generous);
}

/** A task's config without the options that this client does not allow. The file collects these. */
function withoutRefused(file: JobFile, place: TaskPlace, plugin: PluginOptions): ResolvedTask["config"] {
  let { config } = sampleOf(file, place);
  for (;;) {
    const tried = config;
    const work = () => parseTaskOptions(tried, plugin);
    const refused = optionProblems(work).flatMap((each) =>
      isClientsDecision(each) ? (each.option ?? []) : [],
    );
    const removed = refused.filter((option) => tried[option] !== null && tried[option] !== undefined);
    if (removed.length === 0) return tried;
    checkOptions(file, `${pathOf(place)}.config`, tried, work);
    config = { ...tried, ...Object.fromEntries(removed.map((option) => [option, null])) };
  }
}

/** @returns undefined if no client accepts the options */
function acceptedOptionsIfAny(
  file: JobFile,
  place: TaskPlace,
  plugin: PluginOptions,
): TaskOptions | undefined {
  let options: TaskOptions | undefined;
  optionProblems(() => {
    options = acceptedOptions(file, place, plugin);
  });
  return options;
}

/** The plugin's options, with all that it can allow by a flag. */
function everythingAllowed(plugin: PluginOptions): PluginOptions {
  const flags = Object.entries(plugin).filter(
    ([name, value]) => value === false && /^(allow|unveilByTask)/.test(name),
  );
  return { ...plugin, ...Object.fromEntries(flags.map(([name]) => [name, true])) };
}

/** Errors whose remedy is in a client's configuration say so in these words. */
function isClientsDecision({ hint }: Pick<Problem, "hint">): boolean {
  return hint?.includes("client's plugin block") ?? false;
}

function pathOf({ job, group, task }: TaskPlace): string {
  return `job.${job.id}.group.${group.name}.task.${task.name}`;
}

/** Each mounted host volume needs a path, which a client's configuration would give. */
function checkVolumes(file: JobFile, job: Job | undefined): void {
  for (const { group, task } of tasksOf(job)) {
    for (const { volume } of task.volumeMounts) {
      const indexes = volume.perAlloc ? Array.from({ length: group.count }, (_, index) => index) : [0];
      const missing = indexes
        .map((index) => hostVolumeOf(volume, index))
        .find((source) => !file.hostVolumes.has(source));
      if (missing === undefined) continue;
      report(file, {
        place: `job.${job?.id}.group.${group.name}.volume.${volume.name}.source`,
        message: `the host volume "${missing}" has no path: add --host-volume ${missing}=/path`,
        lacking: true,
      });
    }
  }
}

/**
 * Whether somebody, and not two, would write a task's log files on a client with the plugin's options.
 * @returns what has no effect
 */
function checkLogs(file: JobFile, place: TaskPlace, plugin: PluginOptions): FoundProblem[] {
  const { task } = place;
  const at = pathOf(place);
  const { config } = sampleOf(file, place);
  if (optionProblems(() => parseTaskOptions(config, plugin)).length > 0) return [];
  const pipe = task.logsDisabled ? "/dev/null" : "/alloc/logs/pipe";
  const request = { taskName: task.name, jobId: "", allocDir: "/alloc", stdoutPath: pipe, stderrPath: pipe };
  let isOwn = false;
  checkOptions(file, `${at}.config`, config, () => {
    isOwn = logDestination(request, parseTaskOptions(config, plugin), plugin).output.to === "files";
  });
  const without = ["max_files", "max_file_size"].filter(
    (key) => isOwn && file.ignored.has(`${at}.logs.${key}`),
  );
  return without.map((key) =>
    located(file, {
      place: `${at}.logs.${key}`,
      message: "it has no effect where the driver writes the log files: a job's logs block reaches no driver",
      hint: `Set log_${key} in the task's config`,
    }),
  );
}

/** A weight of I/O that nothing obeys is not an error, so a job file is the last place where it can be seen early. */
function checkWeight(file: JobFile, place: TaskPlace): FoundProblem[] {
  const { io } = sampleOf(file, place).config;
  const hasWeight = Array.isArray(io) && io.some((block) => block?.weight !== undefined);
  if (!hasWeight) return [];
  return [
    located(file, {
      place: `${pathOf(place)}.config.io.weight`,
      message: "it has no effect on a host whose disks have neither io.cost.qos nor the I/O scheduler bfq",
      hint: "Nodes where it has an effect on some disk have the attribute driver.exec2.io.weight = true",
    }),
  ];
}

/** Options that a later version will not have. */
function checkDeprecated(file: JobFile, place: TaskPlace): FoundProblem[] {
  return deprecatedAmong(taskSchema(), Object.keys(place.task.config)).map(
    warningAt(file, `${pathOf(place)}.config`),
  );
}

function warningAt(file: JobFile, block: string) {
  return (each: DeprecatedOption): FoundProblem =>
    located(file, { place: inside(block, each.option), message: `it is ${deprecationText(each)}` });
}

function sampleOf(file: JobFile, place: TaskPlace): ResolvedTask {
  return resolveTask(file, place, sampleFacts(file, place.group), attributeSpecs(specOf(taskOptionsSpec())));
}

/**
 * Collects the problems of options. Leaves out options that are null: these are not set, or the schema has
 * already refused them.
 */
function checkOptions(
  file: JobFile,
  place: string,
  config: ResolvedTask["config"],
  work: () => unknown,
): void {
  const problems = optionProblems(work).filter(
    ({ option }) => option === undefined || (config[option] !== null && !isUnresolved(file, place, option)),
  );
  for (const { option, message, hint } of problems)
    file.problems.push(
      located(file, { place: option === undefined ? place : inside(place, option), message, hint }),
    );
}

/** Whether an option has a part that only a cluster or a dispatch gives. */
function isUnresolved(file: JobFile, place: string, option: string): boolean {
  const at = inside(place, option.replace(/[.[].*$/s, ""));
  return [...file.unresolved].some((each) => isAtOrIn(each, at));
}

const refusals = ["CONFIG_INVALID", "ROOT_DIR_INVALID", "MOUNT_SOURCE_INVALID", "MOUNT_TARGET_INVALID"];

function optionProblems(
  work: () => unknown,
): (Omit<Problem, "place"> & { readonly option?: string | undefined })[] {
  try {
    work();
    return [];
  } catch (thrown) {
    if (thrown instanceof InvalidOptions) return [...thrown.problems];
    if (!(thrown instanceof DriverError) || !refusals.includes(thrown.code)) throw thrown;
    const { summary: message, hint } = thrown;
    const option = thrown.option ?? (thrown.code === "ROOT_DIR_INVALID" ? "root_dir" : undefined);
    return [{ option, message, hint }];
  }
}

/** Sample values in place of the facts of an allocation. Options that refer to them must stay valid. */
function sampleFacts({ node, upstreams }: JobFile, { network }: Group): AllocationFacts {
  return {
    allocId: sampleId,
    allocIndex: 0,
    folders: {
      alloc: sampleFolders.allocDir,
      task: sampleFolders.taskDir,
      secrets: sampleFolders.secretsDir,
    },
    ports: network.ports.map(({ label, static: port = 20_000, to = port }) => ({
      label,
      ip: "127.0.0.1",
      port,
      inside: to,
    })),
    cores: "",
    now: 0,
    hostEnv: { PATH: "/usr/bin" },
    node: { ...sampleNode, ...node },
    upstreams,
  };
}

const sampleId = "00000000-0000-4000-8000-000000000000";

/** Below a folder that no volume has as its destination. */
const sampleFolders = foldersIn(`/${sampleId}`, "task");

const sampleNode = Object.fromEntries(
  [
    ...["node.unique.id", "node.unique.name", "node.datacenter", "node.region", "node.class", "node.pool"],
    ...["attr.kernel.name", "attr.kernel.version", "attr.kernel.arch", "attr.cpu.arch"],
    ...["attr.cpu.numcores", "attr.unique.hostname", "attr.driver.exec2"],
  ].map((name) => [name, "x"]),
);
