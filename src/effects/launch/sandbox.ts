/**
 * Plans a task's sandbox: what the parts of a launch make of the request on this host, each once and in this
 * order. It changes nothing. The driver carries the plan out (prepare.ts), and `doctor --plan` prints it.
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { defaultStateDir } from "../../base/defaultStateDir.ts";
import { DriverError } from "../../base/errors.ts";
import type { TaskId } from "../../base/taskId.ts";
import { planIoOf } from "../cgroup/blockDevices.ts";
import { type CgroupWrite, cpuShare, planCgroupWrites } from "../cgroup/cgroupPlan.ts";
import { planNumaMemory } from "../cgroup/nodeCores.ts";
import { seesOwnCgroup } from "../cgroup/options.ts";
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
import { checkSignalScope } from "../landlock/ruleset.ts";
import {
  type PlacedMount,
  placeMounts,
  type RootMode,
  type TaskFolders,
  taskFolders,
} from "../layout/layout.ts";
import { type MemoryMount, placeMountBlocks } from "../layout/mountBlocks.ts";
import { taskLimits } from "../limits/resourceLimits.ts";
import type { TaskLimit } from "../limits/ulimits.ts";
import { type EtcFile, taskEtcFiles } from "../names/taskEtcFiles.ts";
import type { SandboxOptions } from "../parts.ts";
import { type IsVisible, visibilityFor } from "../paths/hostPaths.ts";
import { isAtOrBelow } from "../paths/paths.ts";
import { mountsInHostRoot } from "../root/options.ts";
import { RootFolder } from "../root/rootFolder.ts";
import { type RunFiles, runFiles } from "../run/runFiles.ts";
import { seccompProfile } from "../seccomp/profileOptions.ts";
import type { SeccompProfile } from "../seccomp/taskFilter.ts";
import { CGROUP } from "../unveil/defaultPaths.ts";
import { JobPaths } from "../unveil/jobPaths.ts";
import { namesInRootDir, TMP, type UnveilRules, unveilRules } from "../unveil/unveilRules.ts";
import { type TaskCapabilities, taskCapabilities } from "../users/capabilities.ts";
import { resolveGroups, resolveUser, type TaskUser } from "../users/users.ts";
import type { TaskRequest } from "./taskRequest.ts";

/** What a plan needs besides the request. */
export interface HostServices {
  readonly options: SandboxOptions;
  readonly facts: Pick<HostFacts, "mhzPerCore" | "landlockAbi" | "seccomp" | "cgroupMount">;
  readonly roots: {
    /** Why tasks cannot have a private root on this host; undefined if they can. */
    readonly problem: string | undefined;
  };
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
  readonly inMemory: readonly MemoryMount[];
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

/** Where a task may connect, and the addresses of the names in it: as the event `sandboxed` records it. */
export interface SandboxEgress {
  /** Null: everything that is not denied. */
  readonly allowed: string[] | null;
  readonly denied: string[];
  readonly names: NamedAddresses[];
}

/** A name that the task may connect to. */
interface NamedAddresses {
  readonly name: string;
  readonly addresses: string[];
  /** Why the name could not be resolved; null if it could. */
  readonly problem: string | null;
}

/**
 * Resolves what the task names: user, groups, folders, command. First waits until the file systems of all
 * named paths answer.
 * @throws DriverError `USER_UNKNOWN`, `USER_FORBIDDEN`, `CONFIG_INVALID`, `UNSUPPORTED`,
 *   `LANDLOCK_UNAVAILABLE`, `MOUNT_TARGET_INVALID`, `WORK_DIR_INVALID`, `COMMAND_NOT_FOUND`,
 *   `COMMAND_NOT_EXECUTABLE`, `FILE_SYSTEM_SILENT`
 * @param egress null if nothing restricts where the task connects, and for a plan that is only to be shown
 */
export async function planSandbox(
  request: TaskRequest,
  services: HostServices,
  egress: SandboxEgress | null = null,
): Promise<Sandbox> {
  const { options: task } = request;
  const { options, facts, roots, folder } = services;
  if (task.pidMode === "host") checkSignalScope(facts.landlockAbi);
  const user = await resolveUser(request.user, options);
  const groups = await resolveGroups(task.groups, user, options);
  const capabilities = taskCapabilities(user.uid, task, options);
  const fileUser = { uid: user.uid, gid: user.gid, groups, capabilities };
  const isVisible = visibilityFor(fileUser);
  const limits = taskLimits(task.ulimit, options);
  const seccomp = facts.seccomp ? seccompProfile(task, options) : null;
  const folders = taskFolders(request.env);
  const { mounts, inMemory } = placeAll(request, folders);
  const cores = cpuShare(request.resources, facts, task.cpuHardLimit);
  const { deniedEnvvars } = options;
  const env = taskEnvironment(request.env, user, tmpDirOf(task, folders), { deniedEnvvars, cores });
  const files = runFiles(folder.newRunFolder(request.taskId));
  const etcFiles = taskEtcFiles(request, { user, groups }, files, options, egress?.names ?? []);
  using rootDir = task.rootDir === undefined ? undefined : new RootFolder(task.rootDir, folders, mounts);
  const needsOwnRoot = rootDir ? "root_dir" : task.mount.length > 0 ? "mount" : undefined;
  if (needsOwnRoot && roots.problem !== undefined) throw noOwnRoot(needsOwnRoot, roots.problem);
  const hostNames = rootDir
    ? namesInRootDir.filter((path) => existsSync(path) && !etcFiles.some((own) => own.path === path))
    : [];
  const rules = unveilRules({
    ...{ options, task, folders, mounts, inMemory },
    bound: etcFiles.map(({ path, source }) => ({ target: path, source })),
    root: roots.problem === undefined ? rootModeOf(task, options) : "host",
    tmpInMemory: task.tmpSize !== undefined,
    delegated: task.cgroupDelegate ? CGROUP : undefined,
    ownCgroup: seesOwnCgroup(task),
    rootDir: rootDir && {
      isWritable: task.rootDirWritable,
      entries: (others) => rootDir.entries(others),
    },
  });
  checkOwnMounts(task, rules, inMemory);
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
    ...planCgroupWrites(request.resources, facts, task, options),
    ...planIoOf(task, options, { folders, mounts }, facts.cgroupMount),
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
    : resolveWorkDir(task.workDir, folders, [...mounts, ...inMemory], isInRoot, isVisible);
  const command = resolveCommand(task.command, {
    ...{ path: env.PATH, workDir },
    ...(rootDir ? { lookAt, isVisible: () => false, missingHint } : { mounts, isInRoot, isVisible }),
  });
  return {
    ...{ request, user, groups, capabilities, limits, seccomp, folders, env, mounts, inMemory },
    ...{ files, etcFiles, rules },
    ...{ hasDefaults: options.unveilDefaults && !rootDir, writableLogs: options.writableLogs, hostNames },
    ...{ cgroupWrites, isVisible, jobPaths, workDir, command, egress },
  };
}

function rootModeOf(task: TaskRequest["options"], { root }: SandboxOptions): RootMode {
  return task.rootDir === undefined ? (task.root ?? root) : "private";
}

const missingHint = "Install it in root_dir, or give the path that it has there";

/** Everything that is mounted for the job. A mount of the job's blocks is in no other, so that each order will do. */
function placeAll(request: TaskRequest, folders: TaskFolders) {
  const { idmappedVolumes, mount } = request.options;
  const others = placeMounts(request, folders, idmappedVolumes);
  const { mounts, inMemory } = placeMountBlocks(mount, others, folders);
  return { mounts: [...others, ...mounts], inMemory };
}

/** @throws DriverError `CONFIG_INVALID`, `MOUNT_TARGET_INVALID` */
function checkOwnMounts(
  { mount }: TaskRequest["options"],
  { root, entries }: UnveilRules,
  inMemory: readonly MemoryMount[],
): void {
  if (mount.length === 0) return;
  if (root === "host") throw mountsInHostRoot("/ is unveiled");
  const hosts = entries.filter((rule) => rule.target === undefined && !rule.ownRoot && !rule.inRootDir);
  for (const { target } of inMemory) {
    const around = [...hosts.map(({ path }) => path), TMP].find((path) => isAtOrBelow(target, path));
    if (around === undefined) continue;
    const summary = `the target ${JSON.stringify(target)} of a mount in memory is in ${around}, which the task has anyway`;
    throw new DriverError("MOUNT_TARGET_INVALID", summary, {
      option: "mount",
      hint: "Choose a path elsewhere",
    });
  }
}

function noOwnRoot(option: string, problem: string): DriverError {
  return new DriverError(
    "UNSUPPORTED",
    `${option} needs a private root, which this host cannot make: ${problem}`,
  );
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
