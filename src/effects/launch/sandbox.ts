/**
 * Plans a task's sandbox: what the parts of a launch make of the request on this host, each once and in this
 * order. It changes nothing. The driver carries the plan out (prepare.ts), and `doctor --plan` prints it.
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { defaultStateDir } from "../../base/defaultStateDir.ts";
import { DriverError } from "../../base/errors.ts";
import { shortName, type TaskId } from "../../base/taskId.ts";
import { findIoDevices } from "../cgroup/blockDevices.ts";
import { type CgroupWrite, cpuShare, planCgroupWrites } from "../cgroup/cgroupPlan.ts";
import { type DelegatedCgroups, delegatedCgroupsOf, delegatedMount } from "../cgroup/delegatedCgroups.ts";
import { planHugePages } from "../cgroup/hugePages.ts";
import { planIo } from "../cgroup/ioLimits.ts";
import { planNumaMemory } from "../cgroup/numaMemory.ts";
import { type RunCgroup, runCgroupOf } from "../cgroup/runCgroupSteps.ts";
import {
  candidatesOf,
  resolveCommand,
  resolveWorkDir,
  resolveWorkDirInRootDir,
  rootCheck,
} from "../command/commandLookup.ts";
import { taskEnvironment } from "../command/taskEnvironment.ts";
import type { HostFacts } from "../host/hostFacts.ts";
import { waitForAnswers } from "../host/silentMounts.ts";
import { capabilityName, capabilityNumbers } from "../kernel/capabilities.ts";
import { knownRules, type NamespaceRule } from "../landlock/rules.ts";
import { checkSignalScope } from "../landlock/ruleset.ts";
import {
  mountAround,
  type PlacedMount,
  placeMounts,
  type RootMode,
  type TaskFolders,
  taskFolders,
} from "../layout/layout.ts";
import { taskLimits } from "../limits/resourceLimits.ts";
import type { LimitedResource, TaskLimit } from "../limits/ulimits.ts";
import type { OwnLogFolder } from "../logs/logFiles.ts";
import { type Logger, newStream } from "../logs/logger.ts";
import { allocLogFolders } from "../logs/logPipes.ts";
import type { LogBounds } from "../logs/options.ts";
import type { Relay } from "../logs/relay.ts";
import { type EtcFile, type ResolvedHost, taskEtcFiles } from "../names/taskEtcFiles.ts";
import { type EgressLists, egressLists } from "../network/egress.ts";
import { launchHostname, launchNetwork } from "../network/network.ts";
import type { SandboxOptions } from "../parts.ts";
import { type IsVisible, visibilityFor } from "../paths/hostPaths.ts";
import type { EarlyPlan, LatePlan } from "../plan/plan.ts";
import { type MountPoints, prepareMounts } from "../root/mountPoints.ts";
import { RootFolder } from "../root/rootFolder.ts";
import { type TaskRoot, taskRoot } from "../root/taskRoot.ts";
import { type RunFiles, runFiles } from "../run/runFiles.ts";
import { seccompProfile } from "../seccomp/profileOptions.ts";
import { systemCallFilter } from "../seccomp/systemCallFilter.ts";
import type { FilterOptions, SeccompProfile } from "../seccomp/taskFilter.ts";
import { JobPaths } from "../unveil/jobPaths.ts";
import type { KnownPaths } from "../unveil/knownPaths.ts";
import { namesInRootDir, TMP, type UnveilRules, unveilRules } from "../unveil/unveilRules.ts";
import { keptCapabilities, type TaskCapabilities, taskCapabilities } from "../users/capabilities.ts";
import { resolveGroups, resolveUser, type TaskUser } from "../users/users.ts";
import { buildEarlyPlan, buildLatePlan } from "./buildPlan.ts";
import type { TaskRequest } from "./taskRequest.ts";
import type { TaskProcess } from "./taskSteps.ts";

/** What a plan needs besides the request. */
export interface HostServices {
  readonly options: SandboxOptions;
  readonly facts: Pick<HostFacts, "mhzPerCore" | "landlockAbi" | "seccomp" | "cgroupMount">;
  /** Why tasks cannot have a private root on this host; undefined if they can. */
  readonly privateRootProblem: string | undefined;
  readonly folder: {
    /** A folder for executables of the plugin's own; undefined if there is none. */
    readonly run: string | undefined;
    /** A folder for the files of a start: another one at each call. */
    newRunFolder(taskId: TaskId): string;
  };
}

/** The sandbox of a task, and the program in it. */
export interface Sandbox {
  readonly request: TaskRequest;
  readonly user: TaskUser;
  /** Gids of supplementary groups. */
  readonly groups: readonly number[];
  readonly capabilities: TaskCapabilities | undefined;
  readonly limits: readonly TaskLimit[];
  /** Null if the kernel does not support system call filters. */
  readonly seccomp: SeccompProfile | null;
  readonly folders: TaskFolders;
  readonly cgroupWrites: readonly CgroupWrite[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly PlacedMount[];
  readonly files: RunFiles;
  readonly etcFiles: readonly EtcFile[];
  /** Null: nothing restricts where the task connects. */
  readonly egress: SandboxEgress | null;
  readonly rules: UnveilRules;
  /** Host's files in /etc that the root has, which is made of a folder. */
  readonly hostNames: readonly string[];
  /** Whether the unveiled defaults are in the task's root. */
  readonly hasDefaults: boolean;
  readonly writableLogs: boolean;
  /** Whether the task's user can find a path on the host without the driver's help. */
  readonly isVisible: IsVisible;
  readonly jobPaths: JobPaths;
  readonly workDir: string;
  /** Absolute path. */
  readonly command: string;
}

/** Where a task may connect, and the addresses of the names in it. */
interface SandboxEgress extends EgressLists {
  readonly names: readonly NamedAddresses[];
}

/** A name that the task may connect to. */
export interface NamedAddresses extends ResolvedHost {
  /** Why the name could not be resolved; null if it could. */
  readonly problem: string | null;
}

/**
 * Resolves what the task names: user, groups, folders, command. First waits until the file systems of all
 * named paths answer.
 * @throws DriverError `USER_UNKNOWN`, `USER_FORBIDDEN`, `CONFIG_INVALID`, `UNSUPPORTED`,
 *   `LANDLOCK_UNAVAILABLE`, `MOUNT_TARGET_INVALID`, `WORK_DIR_INVALID`, `COMMAND_NOT_FOUND`,
 *   `COMMAND_NOT_EXECUTABLE`, `FILE_SYSTEM_SILENT`
 * @param names the names that the task may connect to
 */
export async function planSandbox(
  request: TaskRequest,
  services: HostServices,
  names: readonly NamedAddresses[] = [],
): Promise<Sandbox> {
  const { options: task } = request;
  const { options, facts, privateRootProblem, folder } = services;
  if (task.pidMode === "host") checkSignalScope(facts.landlockAbi);
  const user = await resolveUser(request.user, options);
  const groups = await resolveGroups(task.groups, user, options);
  const capabilities = taskCapabilities(user.uid, task, options);
  const fileUser = { uid: user.uid, gid: user.gid, groups, capabilities };
  const isVisible = visibilityFor(fileUser);
  const limits = taskLimits(task.ulimit, options);
  const seccomp = facts.seccomp ? seccompProfile(task, options) : null;
  const folders = taskFolders(request.env);
  const mounts = placeMounts(request, folders, task.idmappedVolumes);
  const cores = cpuShare(request.resources, facts, task.cpuHardLimit);
  const { deniedEnvvars } = options;
  const env = taskEnvironment(request.env, user, tmpDirOf(task, folders), { deniedEnvvars, cores });
  const files = runFiles(folder.newRunFolder(request.taskId));
  const etcFiles = taskEtcFiles(request, { user, groups }, files, options, names);
  const lists = egressLists(task, options);
  using rootDir = task.rootDir === undefined ? undefined : new RootFolder(task.rootDir, folders, mounts);
  if (rootDir && privateRootProblem !== undefined) throw noOwnRoot(privateRootProblem);
  const hostNames = rootDir
    ? namesInRootDir.filter((path) => existsSync(path) && !etcFiles.some((own) => own.path === path))
    : [];
  const rules = unveilRules({
    ...{ options, task, folders, mounts },
    bound: etcFiles.map(({ path, source }) => ({ target: path, source })),
    root: privateRootProblem === undefined ? rootModeOf(task, options) : "host",
    tmpInMemory: task.tmpSize !== undefined,
    delegated: task.cgroupDelegate ? delegatedMount : undefined,
    rootDir: rootDir && {
      isWritable: task.rootDirWritable,
      entries: (others) => rootDir.entries(others),
    },
  });
  if (rootDir && rules.root === "host") throw unveilsAll();
  if (task.tmpSize !== undefined && rules.sharedTmpReason !== null) throw noOwnTmp(rules.sharedTmpReason);
  const workDirPath = task.workDir ?? folders.rootDir;
  await waitForAnswers(
    () => [
      ...mounts.map(({ source }) => source),
      ...rules.entries.map(({ path }) => path),
      ...[workDirPath, ...candidatesOf(task.command, { path: env.PATH, workDir: workDirPath })],
    ],
    folder.run,
  );
  const cgroupWrites = [
    ...planCgroupWrites(request.resources, facts, task),
    ...ioWrites(request, services, { folders, mounts }),
    ...planHugePages(task.hugepages ?? {}, options.hugepages ?? {}),
    ...(task.numaMemory === undefined ? [] : planNumaMemory(request.resources.cpusetCpus)),
  ];
  const jobPaths = new JobPaths({
    ...{ options, user: fileUser, folders, allocDir: request.allocDir, taskName: request.taskName },
    hostPid: task.pidMode === "host",
    stateFolders: [defaultStateDir, ...(folder.run === undefined ? [] : [dirname(folder.run)])],
  });
  const isInRoot = rootCheck(rules, folders, options.unveilDefaults, isVisible);
  const lookAt = (path: string) => rootDir?.stat(path);
  const workDir = rootDir
    ? resolveWorkDirInRootDir(task.workDir, folders, lookAt)
    : resolveWorkDir(task.workDir, folders, mounts, isInRoot, isVisible);
  const command = resolveCommand(task.command, {
    ...{ path: env.PATH, workDir },
    ...(rootDir ? { lookAt, isVisible: () => false, missingHint } : { mounts, isInRoot, isVisible }),
  });
  return {
    ...{ request, user, groups, capabilities, limits, seccomp, folders, env, mounts, files, etcFiles, rules },
    ...{ hasDefaults: options.unveilDefaults && !rootDir, writableLogs: options.writableLogs, hostNames },
    ...{ cgroupWrites, isVisible, jobPaths, workDir, command },
    egress: lists === undefined ? null : { ...lists, names },
  };
}

/** The limits of I/O; none for most tasks. The file systems of all places have to answer. */
function ioWrites(
  { options: { io } }: TaskRequest,
  { options: { ioMax }, facts: { cgroupMount } }: HostServices,
  { folders: { taskDir, allocDir }, mounts }: Pick<Sandbox, "folders" | "mounts">,
): CgroupWrite[] {
  if (io.length === 0 && ioMax.length === 0) return [];
  const volumes = mounts
    .filter(({ kind }) => kind === "volume")
    .map(({ source, target }) => ({ what: `the volume at ${target}`, path: source }));
  const own = [
    { what: "the task's folder", path: taskDir },
    { what: "the allocation's folder", path: allocDir },
  ];
  return planIo(io, ioMax, findIoDevices([...own, ...volumes], cgroupMount));
}

function rootModeOf(task: TaskRequest["options"], { root }: SandboxOptions): RootMode {
  return task.rootDir === undefined ? (task.root ?? root) : "private";
}

const missingHint = "Install it in root_dir, or give the path that it has there";

function noOwnRoot(problem: string): DriverError {
  return new DriverError(
    "UNSUPPORTED",
    `root_dir needs a private root, which this host cannot make: ${problem}`,
  );
}

function unveilsAll(): DriverError {
  return new DriverError("CONFIG_INVALID", "root_dir makes the task's root of a folder, but / is unveiled", {
    option: "root_dir",
    hint: "Leave out root_dir, or the entry for / in unveil or in the plugin's unveil_paths",
  });
}

function noOwnTmp(reason: string): DriverError {
  const summary = `tmp_size gives the task a /tmp of its own, but this task has the host's: ${reason}`;
  return new DriverError("CONFIG_INVALID", summary, {
    option: "tmp_size",
    hint: "Leave out tmp_size, or what gives the task the host's /tmp",
  });
}

/**
 * The environment that a task gets, also if its start is repeated.
 * @throws DriverError `USER_UNKNOWN`, `USER_FORBIDDEN`, `CONFIG_INVALID`
 */
export async function environmentFor(
  request: TaskRequest,
  { options, facts }: Pick<HostServices, "options" | "facts">,
): Promise<Readonly<Record<string, string>>> {
  const user = await resolveUser(request.user, options);
  const cores = cpuShare(request.resources, facts, request.options.cpuHardLimit);
  const { deniedEnvvars } = options;
  const tmpDir = tmpDirOf(request.options, taskFolders(request.env));
  return taskEnvironment(request.env, user, tmpDir, { deniedEnvvars, cores });
}

/** The task's `TMPDIR`. */
function tmpDirOf({ tmpSize }: TaskRequest["options"], folders: TaskFolders): string {
  return tmpSize === undefined ? folders.tmpDir : TMP;
}

/**
 * Makes the mount points of the job's volumes, which are in the task's own folders.
 * @throws DriverError as `prepareMounts` does
 */
export function placeVolumes({ rules, mounts, folders, isVisible }: Sandbox): MountPoints {
  const points = prepareMounts(mounts, folders, rules, isVisible);
  // No tree is opened here, and its number is not known.
  const planned = points.mounts.map((each) => (each.isIdmapped ? { ...each, tree: "…/fd/…" } : each));
  return { ...points, mounts: planned };
}

/** The part of a sandbox's plan that is made before the Landlock rules are added. */
export interface EarlySandbox {
  /** The task's private root; undefined for the host's tree. */
  readonly root: TaskRoot | undefined;
  readonly early: EarlyPlan;
  readonly runCgroup: RunCgroup | undefined;
  /** Set if the task has a subtree of cgroups of its own. */
  readonly delegated: DelegatedCgroups | undefined;
  /** The paths whose rules init adds. */
  readonly known: KnownPaths;
}

export interface EarlyChoice {
  /** Absolute path of the task's cgroup. Without it, init stays in this process's cgroup. */
  readonly cgroup?: string;
  /** Whether to mask parts of /proc even if no option names a path there, because a link may lead there. */
  readonly maskProc?: boolean;
  readonly known: KnownPaths;
  readonly landlockAbi: number;
  /** Where the task's output begins in the driver's own log files. */
  readonly logsBegin?: OwnLogFolder["begin"];
}

/**
 * Plans what init needs to set up the task's namespaces.
 * @throws DriverError `CONFIG_INVALID` for a name that no host can have
 */
export function planEarly(sandbox: Sandbox, points: MountPoints, choice: EarlyChoice): EarlySandbox {
  const { request, folders, files, rules } = sandbox;
  const { options: task, network } = request;
  const { cgroup, maskProc = false, landlockAbi } = choice;
  const hasOwnPids = task.pidMode === "private";
  const runCgroup = hasOwnPids || cgroup === undefined ? undefined : runCgroupOf(cgroup, files.folder);
  const delegated =
    task.cgroupDelegate && cgroup !== undefined ? delegatedCgroupsOf(cgroup, files.folder) : undefined;
  const own = sandbox.etcFiles.map(({ path, source }) => ({ source, target: path, readOnly: true }));
  const hosts = sandbox.hostNames.map((path) => ({ source: path, target: path, readOnly: true }));
  const binds = [...own, ...hosts];
  // If the mount namespace hides paths, init would find other files there, so the plugin adds all rules.
  const known = points.hidden.length === 0 ? choice.known : new Map();
  const root =
    rules.root === "host"
      ? undefined
      : taskRoot({
          ...{ rules, folders, bound: binds, mounts: points.mounts },
          // The task may list the folders of /proc.
          maskProc: maskProc || task.rootDir !== undefined,
          allocId: request.allocId,
          defaults: sandbox.hasDefaults,
        });
  const early = buildEarlyPlan({
    options: task,
    // `exec2-init: 6f2d4a9e/web` in `ps`.
    initName: `exec2-init: ${shortName(request)}`,
    cgroup: delegated?.init ?? cgroup,
    network: launchNetwork(network),
    hostname: launchHostname(network),
    ...{ runCgroup, delegated },
    root: root ? { kind: "private", ...root, shmBytes: task.shmSize * 2 ** 20 } : { kind: "host" },
    binds,
    readOnlyFolders: sandbox.writableLogs ? [] : allocLogFolders(folders, request.allocDir, rules.root),
    ...points,
    privateTmp: rules.privateTmp && task.tmpSize === undefined ? folders.tmpDir : undefined,
    tmpBytes: task.tmpSize === undefined ? undefined : task.tmpSize * 2 ** 20,
    statusFile: files.status,
    aliveFifo: files.alive,
    logger:
      request.logBounds && choice.logsBegin
        ? loggerOf(request, request.logBounds, files, streamsFrom(choice.logsBegin))
        : undefined,
    relay: request.journal === null ? undefined : relayOf(request, files),
    knownRules: knownRules(rules.entries, known, landlockAbi),
  });
  return { root, early, runCgroup, delegated, known };
}

/** The relay of a run's output to journald. */
export function relayOf(
  run: Pick<TaskRequest, "taskName" | "allocId">,
  { logRecord, loggerAlive }: RunFiles,
): Relay {
  return { name: collectorName(run), recordFile: logRecord, aliveFifo: loggerAlive };
}

/** `exec2-log: 6f2d4a9e/web` in `ps`. */
function collectorName({ taskName, allocId }: Pick<TaskRequest, "taskName" | "allocId">): string {
  return `exec2-log: ${shortName({ allocId, taskName })}`;
}

/** The driver's own logger of a run. */
export function loggerOf(
  { taskName, allocId }: Pick<TaskRequest, "taskName" | "allocId">,
  { maxFiles, maxFileBytes }: LogBounds,
  { logRecord, loggerAlive }: RunFiles,
  streams: Logger["streams"],
): Logger {
  return {
    name: collectorName({ allocId, taskName }),
    recordFile: logRecord,
    aliveFifo: loggerAlive,
    base: taskName,
    maxFiles,
    maxFileBytes,
    streams,
  };
}

/** @param begin where the output of a run begins */
export function streamsFrom({ stdout, stderr }: OwnLogFolder["begin"]): Logger["streams"] {
  return { stdout: { ...newStream, index: stdout.file }, stderr: { ...newStream, index: stderr.file } };
}

/**
 * @param recordDenials whether the kernel is to record what the sandbox refuses
 * @throws DriverError `USER_FORBIDDEN` for a uid or gid that the kernel cannot set
 */
export function planLate(
  sandbox: Sandbox,
  namespaceRules: readonly NamespaceRule[],
  { runCgroup, delegated }: Pick<EarlySandbox, "runCgroup" | "delegated">,
  recordDenials: boolean,
): LatePlan {
  const { user, groups, capabilities, limits, seccomp, env, workDir, command, mounts } = sandbox;
  const task = sandbox.request.options;
  return buildLatePlan({
    commandIn: mountAround(command, mounts) ? "volume" : task.rootDir === undefined ? undefined : "root_dir",
    ...{
      namespaceRules,
      runCgroup,
      delegated,
      command,
      env,
      workDir,
      groups,
      capabilities,
      limits,
      recordDenials,
    },
    options: task,
    name: task.command,
    args: task.args,
    uid: user.uid,
    gid: user.gid,
    filter: systemCallFilter(seccomp, task),
  });
}

/** As the event `sandboxed` records them; a limit of null is none. */
export interface TaskRights {
  readonly groups: readonly number[];
  readonly capabilities: readonly string[] | null;
  readonly resourceLimits: readonly {
    readonly resource: string;
    readonly soft: number | null;
    readonly hard: number | null;
  }[];
  readonly seccomp: SeccompProfile | null;
}

type PlannedRights = Pick<TaskProcess, "groups" | "capabilities" | "limits" | "filter">;

export function rightsOf({ request: { options }, groups, capabilities, limits, seccomp }: Sandbox) {
  return {
    groups: [...groups],
    capabilities: capabilities ? capabilityNumbers(capabilities.kept).map(capabilityName) : null,
    resourceLimits: limits.map(({ resource, soft, hard }) => ({
      resource,
      soft: finite(soft),
      hard: finite(hard),
    })),
    umask: Number.parseInt(options.umask, 8),
    nice: options.nice,
    seccomp: seccomp && { profile: seccomp.profile, allow: [...seccomp.allow], deny: [...seccomp.deny] },
  };
}

/** The rights in a launch plan, for a further process of the task. */
export function rightsInPlan(rights: TaskRights, options: FilterOptions): PlannedRights {
  const { groups, resourceLimits, seccomp } = rights;
  const capabilities = rights.capabilities === null ? undefined : keptCapabilities(rights.capabilities);
  return {
    groups,
    capabilities,
    filter: systemCallFilter(seccomp, options),
    limits: resourceLimits.map(({ resource, soft, hard }) => ({
      resource: resource as LimitedResource,
      soft: soft ?? Infinity,
      hard: hard ?? Infinity,
    })),
  };
}

function finite(limit: number): number | null {
  return limit === Infinity ? null : limit;
}
