/** Makes the launch plan of a task from its sandbox, in the two parts that a launch gets one after the other. */
import { shortName } from "../../base/taskId.ts";
import { type DelegatedCgroups, delegatedCgroupsOf } from "../cgroup/delegatedCgroups.ts";
import { type RunCgroup, runCgroupOf } from "../cgroup/runCgroupSteps.ts";
import { capabilityName, capabilityNumbers } from "../kernel/capabilities.ts";
import { knownRules, type NamespaceRule } from "../landlock/rules.ts";
import { mountAround } from "../layout/layout.ts";
import type { LimitedResource } from "../limits/ulimits.ts";
import { allocLogFolders } from "../logs/logPipes.ts";
import type { OpenedOutput } from "../logs/openOutput.ts";
import { collectorOf } from "../logs/runCollector.ts";
import { launchHostname, launchNetwork } from "../network/network.ts";
import type { EarlyPlan, LatePlan } from "../plan/plan.ts";
import { type MountPoints, prepareMounts } from "../root/mountPoints.ts";
import { type TaskRoot, taskRoot } from "../root/taskRoot.ts";
import { systemCallFilter } from "../seccomp/systemCallFilter.ts";
import type { FilterOptions, SeccompProfile } from "../seccomp/taskFilter.ts";
import type { KnownPaths } from "../unveil/knownPaths.ts";
import { keptCapabilities } from "../users/capabilities.ts";
import { buildEarlyPlan, buildLatePlan } from "./buildPlan.ts";
import type { Sandbox } from "./sandbox.ts";
import type { TaskProcess } from "./taskSteps.ts";

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
  readonly logsBegin?: NonNullable<OpenedOutput["own"]>["begin"];
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
    inMemory: sandbox.inMemory,
    privateTmp: rules.privateTmp && task.tmpSize === undefined ? folders.tmpDir : undefined,
    tmpBytes: task.tmpSize === undefined ? undefined : task.tmpSize * 2 ** 20,
    statusFile: files.status,
    aliveFifo: files.alive,
    ...collectorOf(request, files, choice.logsBegin),
    knownRules: knownRules(rules.entries, known, landlockAbi),
  });
  return { root, early, runCgroup, delegated, known };
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
    commandIn: placeOf(command, mounts) ?? (task.rootDir === undefined ? undefined : "root_dir"),
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

/** The kind of mount that a path is in. */
function placeOf(path: string, mounts: Sandbox["mounts"]): "volume" | "mount" | undefined {
  const kind = mountAround(path, mounts)?.kind;
  return kind === "device" ? undefined : kind;
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
