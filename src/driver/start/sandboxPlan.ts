/**
 * Plans a task's sandbox from the request and this host. It changes nothing, except that
 * it creates mount points for volumes in the task's own folders. The driver runs the
 * plan; `doctor --plan` prints it.
 */

import { shortName } from "../../base/taskId.ts";
import { cpuShare } from "../../effects/cgroup/nodeTopology.ts";
import { type RunCgroup, runCgroupOf } from "../../effects/cgroup/runCgroupSteps.ts";
import {
  candidatesOf,
  realPathOf,
  resolveCommand,
  resolveWorkDir,
} from "../../effects/command/commandLookup.ts";
import { taskEnvironment } from "../../effects/command/taskEnvironment.ts";
import type { HostFacts } from "../../effects/host/hostFacts.ts";
import { waitForAnswers } from "../../effects/host/silentMounts.ts";
import { checkVisible, knownRules, type NamespaceRule } from "../../effects/landlock/rules.ts";
import { checkSignalScope } from "../../effects/landlock/ruleset.ts";
import { buildEarlyPlan, buildLatePlan } from "../../effects/launch/buildPlan.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import { type RootMode, type TaskFolders, taskFolders } from "../../effects/layout/taskFolders.ts";
import { type PlacedMount, placeMounts } from "../../effects/layout/taskMounts.ts";
import { type TaskLimit, taskLimits } from "../../effects/limits/resourceLimits.ts";
import { allocLogFolders } from "../../effects/logs/logPipes.ts";
import { taskEtcFiles } from "../../effects/names/taskEtcFiles.ts";
import { launchHostname, launchNetwork } from "../../effects/network/network.ts";
import { type IsVisible, visibilityFor } from "../../effects/paths/hostPaths.ts";
import { isAtOrBelow } from "../../effects/paths/paths.ts";
import type { EarlyPlan, LatePlan } from "../../effects/plan/plan.ts";
import { prepareMounts } from "../../effects/root/mountPoints.ts";
import type { Bind } from "../../effects/root/mountSteps.ts";
import { type TaskRoot, taskRoot } from "../../effects/root/taskRoot.ts";
import type { RunFiles } from "../../effects/run/runFiles.ts";
import { seccompProfile } from "../../effects/seccomp/profileOptions.ts";
import { systemCallFilter } from "../../effects/seccomp/systemCallFilter.ts";
import type { SeccompProfile } from "../../effects/seccomp/taskFilter.ts";
import { defaultPaths } from "../../effects/unveil/defaultPaths.ts";
import type { KnownPaths } from "../../effects/unveil/knownPaths.ts";
import { type UnveilInput, type UnveilRules, unveilRules } from "../../effects/unveil/unveilRules.ts";
import {
  entersAllFolders,
  type TaskCapabilities,
  taskCapabilities,
} from "../../effects/users/capabilities.ts";
import { resolveGroups, resolveUser, type TaskUser } from "../../effects/users/users.ts";
import type { StateFolder } from "../../store/folder/stateFolder.ts";
import type { PluginOptions } from "../options/pluginOptions.ts";

/** The program of a task: user and rights, command, folders and environment. */
export interface TaskProgram {
  readonly user: TaskUser;
  /** Gids of supplementary groups. */
  readonly groups: readonly number[];
  readonly capabilities: TaskCapabilities | undefined;
  readonly limits: readonly TaskLimit[];
  /** Null if the kernel does not support system call filters. */
  readonly seccomp: SeccompProfile | null;
  readonly folders: TaskFolders;
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly PlacedMount[];
  readonly workDir: string;
  /** Absolute path. */
  readonly command: string;
  /** Whether the task's user can find a path on the host without the driver's help. */
  readonly isVisible: IsVisible;
}

/** The inputs of a plan besides the request. */
export interface HostServices {
  readonly options: PluginOptions;
  readonly facts: Pick<HostFacts, "mhzPerCore" | "landlockAbi" | "seccomp">;
  /** Why tasks cannot have a private root on this host; undefined if they can. */
  readonly privateRootProblem: string | undefined;
  readonly folder?: Pick<StateFolder, "run">;
}

/**
 * Resolves what the task names: user, groups, folders, command. First waits until the file systems of all
 * named paths answer.
 * @throws DriverError `USER_UNKNOWN`, `USER_FORBIDDEN`, `CONFIG_INVALID`, `UNSUPPORTED`,
 *   `LANDLOCK_UNAVAILABLE`, `MOUNT_TARGET_INVALID`, `WORK_DIR_INVALID`, `COMMAND_NOT_FOUND`,
 *   `COMMAND_NOT_EXECUTABLE`, `FILE_SYSTEM_SILENT`
 */
export async function findProgram(
  request: TaskRequest,
  { options, facts, privateRootProblem, folder }: HostServices,
): Promise<TaskProgram> {
  const { options: task, resources } = request;
  if (task.pidMode === "host") checkSignalScope(facts.landlockAbi);
  const user = await resolveUser(request.user, options);
  const groups = await resolveGroups(task.groups, options);
  const capabilities = taskCapabilities(user.uid, task, options);
  const limits = taskLimits(task.ulimit, options);
  const seccomp = facts.seccomp ? seccompProfile(task, options) : null;
  const folders = taskFolders(request.env);
  const cores = cpuShare(resources, facts, task.cpuHardLimit);
  const { deniedEnvvars } = options;
  const env = taskEnvironment(request.env, user, folders, { deniedEnvvars, cores });
  const mounts = placeMounts(request, folders);
  const root = rootMode(task, { options, privateRootProblem });
  const unveil = { options, task, folders, mounts, root };
  const workDirPath = task.workDir ?? folders.rootDir;
  await waitForAnswers(
    () => [
      ...mounts.map(({ source }) => source),
      ...unveilRules(unveil).entries.map(({ path }) => path),
      ...[workDirPath, ...candidatesOf(task.command, { path: env.PATH, workDir: workDirPath })],
    ],
    folder?.run,
  );
  const isVisible = visibilityFor({ ...user, groups, entersAll: entersAllFolders(capabilities) });
  const isInRoot = rootCheck(unveil, isVisible);
  const workDir = resolveWorkDir(task.workDir, folders, mounts, isInRoot, isVisible);
  const command = resolveCommand(task.command, { path: env.PATH, workDir, mounts, isInRoot, isVisible });
  return { isVisible, user, groups, capabilities, limits, seccomp, folders, env, mounts, workDir, command };
}

/**
 * Returns a function that tells whether a path of the host is in the task's root and visible to its user.
 * Most paths are in a folder that every task has, so the rules are computed only for other paths.
 */
function rootCheck(input: UnveilInput, isVisible: IsVisible): (path: string) => boolean {
  const { folders, options } = input;
  const common = [
    ...Object.values<string>({ ...folders }),
    ...(options.unveilDefaults ? defaultPaths.programs : []),
  ];
  const commonFolders = common.map((entry) => entry.slice(entry.indexOf("/")));
  let rules: UnveilRules | undefined;
  let paths: readonly string[] | undefined;
  return (path) => {
    if (commonFolders.some((folder) => isAtOrBelow(path, folder))) return true;
    rules ??= unveilRules(input);
    if (rules.root === "host") return isVisible(path);
    paths ??= pathsInRoot(rules);
    return paths.some((folder) => isAtOrBelow(path, folder));
  };
}

/** The paths of rules, both as written and without symlinks, because both are in the root. */
function pathsInRoot({ entries }: UnveilRules): string[] {
  return entries.flatMap(({ path }) => [path, realPathOf(path) ?? path]);
}

/** The host's part of a sandbox's input. */
export interface SandboxPlace extends Pick<HostServices, "options" | "privateRootProblem"> {
  /** Whether to mask parts of /proc even if no option names a path there, because a link may lead there. */
  readonly maskProc?: boolean;
  /**
   * Absolute path of the task's cgroup. Undefined for a rehearsal (rehearsal.ts): its init stays in this
   * process's cgroup.
   */
  readonly cgroup: string | undefined;
  readonly files: RunFiles;
  readonly known: KnownPaths;
  readonly landlockAbi: number;
}

/** The part of a sandbox's plan that is made before the Landlock rules are added. */
export interface EarlySandbox {
  readonly rules: UnveilRules;
  /** The task's private root; undefined for the host's tree. */
  readonly root: TaskRoot | undefined;
  readonly early: EarlyPlan;
  readonly runCgroup: RunCgroup | undefined;
  /** The paths whose rules init adds. */
  readonly known: KnownPaths;
}

/**
 * Plans what init needs to set up the task's namespaces.
 * @throws DriverError as `prepareMounts` does
 */
export function planEarly(
  request: TaskRequest,
  program: TaskProgram,
  {
    options,
    privateRootProblem,
    cgroup,
    files,
    landlockAbi,
    maskProc = false,
    known: knownPaths,
  }: SandboxPlace,
): EarlySandbox {
  const { options: task } = request;
  const { folders, mounts } = program;
  const runCgroup = runCgroupOf(task.pidMode, cgroup, files.folder);
  const binds = taskEtcFiles(request, program, files, options).map(
    ({ path, source }): Bind => ({ source, target: path, readOnly: true }),
  );
  const mode = rootMode(task, { options, privateRootProblem });
  const rules = unveilRules({ options, task, folders, bound: binds, mounts, root: mode });
  checkVisible(rules.entries, program.isVisible);
  const points = prepareMounts(mounts, folders, rules, program.isVisible);
  // If the mount namespace hides paths, init would find other files there, so the plugin adds all rules.
  const known = points.hidden.length === 0 ? knownPaths : new Map();
  const root =
    rules.root === "host"
      ? undefined
      : taskRoot({
          rules,
          folders,
          allocId: request.allocId,
          bound: binds,
          mounts: points.mounts,
          defaults: options.unveilDefaults,
          maskProc,
        });
  const early = buildEarlyPlan({
    options: task,
    initName: initNameOf(request),
    cgroup,
    network: launchNetwork(request.network),
    hostname: launchHostname(request.network),
    runCgroup,
    root: root ? { kind: "private", ...root, shmBytes: task.shmSize * 2 ** 20 } : { kind: "host" },
    binds,
    readOnlyFolders: options.writableLogs ? [] : allocLogFolders(folders, request.allocDir, rules.root),
    ...points,
    privateTmp: rules.privateTmp ? folders.tmpDir : undefined,
    statusFile: files.status,
    aliveFifo: files.alive,
    knownRules: knownRules(rules.entries, known, landlockAbi),
  });
  return { rules, root, early, runCgroup, known };
}

function rootMode(
  task: TaskRequest["options"],
  { options, privateRootProblem }: Pick<HostServices, "options" | "privateRootProblem">,
): RootMode {
  return privateRootProblem === undefined ? (task.root ?? options.root) : "host";
}

/**
 * @param recordDenials whether the kernel is to record what the sandbox refuses
 * @throws DriverError `USER_FORBIDDEN` for a uid or gid that the kernel cannot set
 */
export function planLate(
  { options: task }: TaskRequest,
  { user, groups, capabilities, limits, seccomp, env, workDir, command }: TaskProgram,
  namespaceRules: readonly NamespaceRule[],
  runCgroup: RunCgroup | undefined,
  recordDenials: boolean,
): LatePlan {
  return buildLatePlan({
    options: task,
    namespaceRules,
    runCgroup,
    command,
    name: task.command,
    args: task.args,
    env,
    workDir,
    uid: user.uid,
    gid: user.gid,
    groups,
    capabilities,
    limits,
    filter: systemCallFilter(seccomp, capabilities, task),
    recordDenials,
  });
}

/** Name of the run's init in `ps`: `exec2-init: 6f2d4a9e/web`. */
function initNameOf(request: TaskRequest): string {
  return `exec2-init: ${shortName(request)}`;
}
