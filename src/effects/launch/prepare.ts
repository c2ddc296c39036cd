/**
 * Prepares everything that a task needs to start. Checks before it acts, and leaves nothing behind if it
 * fails.
 *
 * The launch begins as soon as its namespaces are planned: init sets them up while this module adds rules,
 * writes limits and builds the rest of the plan. The task's process then restricts itself, and waits until the
 * event `sandboxed` is committed.
 */
import { closeSync } from "node:fs";
import { DriverError } from "../../base/errors.ts";
import { formatMebibytes } from "../../units/sizes.ts";
import {
  applyCgroupWrites,
  checkCgroup,
  readOomKills,
  replacedCgroup,
  taskCgroupId,
} from "../cgroup/cgroup.ts";
import { endDelegated, exitTimeoutMs } from "../cgroup/cgroupEnd.ts";
import { delegatedCgroupsOf } from "../cgroup/delegatedCgroups.ts";
import { makeDelegatedCgroups } from "../cgroup/makeDelegated.ts";
import { pressureTriggers } from "../cgroup/pressure.ts";
import { checkTriggers } from "../cgroup/pressureWatch.ts";
import type { DiskLimit, LimitedTask } from "../disk/diskLimits.ts";
import { scopesFor } from "../landlock/rights.ts";
import { type AddedRules, addRules, type OpenedFiles } from "../landlock/rules.ts";
import { createRuleset } from "../landlock/ruleset.ts";
import { checkTaskFolders } from "../layout/taskFolderCheck.ts";
import { outputPositions } from "../logs/logFiles.ts";
import { LastLine, tellDestination } from "../logs/logPipes.ts";
import { type OpenedOutput, openOutput } from "../logs/openOutput.ts";
import { writeEtcFiles } from "../names/taskEtcFiles.ts";
import { checkNetworkNamespace } from "../network/networkNamespace.ts";
import { describePlan } from "../plan/describePlan.ts";
import { joinPlan } from "../plan/plan.ts";
import type { IdmappedVolumes } from "../root/idmappedVolumes.ts";
import { type MountPoints, prepareMounts } from "../root/mountPoints.ts";
import type { RootTemplates } from "../root/rootTemplates.ts";
import { makeRunFiles, removeRunFiles } from "../run/runFiles.ts";
import { knownPaths } from "../unveil/knownPaths.ts";
import { isConfigured, type UnveilRule } from "../unveil/unveilRules.ts";
import { PendingLaunch } from "./launcher.ts";
import { type EarlySandbox, planEarly, planLate, rightsOf } from "./launchPlan.ts";
import { type HostServices, planSandbox, type Sandbox, type SandboxEgress } from "./sandbox.ts";
import type { TaskRequest } from "./taskRequest.ts";

export interface PreparingServices extends HostServices {
  readonly roots: RootTemplates;
  /** Why denials are not recorded; undefined if they are. */
  readonly denials: { readonly problem: string | undefined };
}

/** A run whose task waits for its go-ahead. */
export interface PreparedRun extends Pick<BegunRun, "launch" | "lastLine" | "undo"> {
  /** The task's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What was prepared: the data of the event `sandboxed`. */
  readonly sandboxed: Awaited<ReturnType<BegunRun["sandboxed"]>>;
}

/** Keeps where a run connects. */
export interface EgressOfRun {
  /** Where it may connect; null if nothing restricts it. */
  readonly resolved: SandboxEgress | null;
  /**
   * Puts it in force. To be called before the task's go-ahead.
   * @throws DriverError `EGRESS_UNAVAILABLE`
   */
  confine(cgroup: string): Promise<void>;
  /**
   * For a run that nothing restricts: takes away what an earlier run in the cgroup has left.
   * @throws DriverError `EGRESS_UNAVAILABLE`
   */
  free(cgroup: string): Promise<void>;
  /** Gives everything back. */
  release(): void;
}

/** Limits what runs write to their tasks' folders. */
export interface DiskOfRuns {
  /** @throws DriverError `DISK_LIMIT_UNAVAILABLE` */
  claim(task: LimitedTask, limitBytes: number): Promise<DiskLimit>;
  /** Never rejects. */
  release(task: LimitedTask, limit: DiskLimit): Promise<void>;
  /** Whether a task without a limit may find one of an earlier run, which {@link lift} takes off. */
  readonly hasLimited: boolean;
  /** Never rejects. */
  lift(task: LimitedTask): Promise<void>;
}

/**
 * @param egress is released if the run cannot be prepared
 * @throws DriverError for anything that keeps the task from starting
 */
export async function prepareRun(
  request: TaskRequest,
  services: PreparingServices & { readonly disk: DiskOfRuns },
  egress: EgressOfRun,
): Promise<PreparedRun> {
  const { facts } = services;
  await using undoing = new AsyncDisposableStack();
  undoing.defer(() => egress.release());
  const sandbox = await planSandbox(request, services, egress.resolved);
  const cgroup = checkCgroup(request.resources.cgroup);
  const cgroupId = taskCgroupId(cgroup);
  const oomKills = readOomKills(cgroup) ?? 0;
  const { pressure } = request.options;
  if (pressure.length > 0) checkTriggers(cgroup, pressureTriggers(pressure));
  const delegated = request.options.cgroupDelegate
    ? delegatedCgroupsOf(cgroup, sandbox.files.folder)
    : undefined;
  if (delegated) undoing.defer(() => endDelegated(delegated, exitTimeoutMs));
  const given = delegated ? await makeDelegatedCgroups(delegated, sandbox.user) : [];
  const { launch, lastLine, runCgroup, sandboxed, undo } = await beginRun(sandbox, services, cgroup);
  undoing.defer(undo);
  const disk = await limitDisk(request, services);
  if (disk.limit !== undefined) {
    const { limit } = disk;
    undoing.defer(() => services.disk.release(request, limit));
  }
  const limits = [
    ...applyCgroupWrites(cgroup, sandbox.cgroupWrites),
    ...given,
    ...(facts.seccomp ? [] : [missingFilter]),
    ...(disk.missing === undefined ? [] : [disk.missing]),
  ];
  // Init makes the cgroup of a run in the host's pid namespace. It has to be named by an event before that.
  if (runCgroup === undefined) launch.complete();
  // While init and the task's process go on, up to the go-ahead.
  await (sandbox.egress === null ? egress.free(cgroup) : egress.confine(cgroup));
  const data = await sandboxed(limits, oomKills, disk.limit);
  // Init is in the cgroup by now, and keeps it from being removed.
  if (taskCgroupId(cgroup) !== cgroupId) throw replacedCgroup(cgroup);
  tellDestination(request);
  const prepared = undoing.move();
  return { launch, lastLine, env: sandbox.env, sandboxed: data, undo: () => prepared.disposeAsync() };
}

/** Reported as a limit that could not be applied. */
const missingFilter = {
  file: "seccomp",
  value: "filter",
  applied: false,
  reason: "the kernel has no seccomp filters",
} as const;

interface DiskOfRun {
  readonly limit?: DiskLimit;
  /** Set if the task has to do without its limit. */
  readonly missing?: {
    readonly file: "disk_limit";
    readonly value: string;
    readonly applied: false;
    readonly reason: string;
  };
}

/** To be called after the task's folders are checked. @throws DriverError `DISK_LIMIT_UNAVAILABLE` */
async function limitDisk(
  request: TaskRequest,
  { disk, options }: Pick<PreparingServices, "options"> & { readonly disk: DiskOfRuns },
): Promise<DiskOfRun> {
  const { diskLimit } = request.options;
  if (diskLimit === undefined) {
    if (disk.hasLimited) await disk.lift(request);
    return {};
  }
  try {
    return { limit: await disk.claim(request, diskLimit * 2 ** 20) };
  } catch (thrown) {
    const isMissing = thrown instanceof DriverError && thrown.code === "DISK_LIMIT_UNAVAILABLE";
    if (!isMissing || options.diskLimitMissing === "refuse") throw thrown;
    const value = formatMebibytes(diskLimit);
    return { missing: { file: "disk_limit", value, applied: false, reason: thrown.summary } };
  }
}

type AppliedLimits = (
  | ReturnType<typeof applyCgroupWrites>[number]
  | typeof missingFilter
  | NonNullable<DiskOfRun["missing"]>
)[];

/** A run whose launch has begun. The launch has its whole plan, but the run's limits are not applied yet. */
export type BegunRun = Awaited<ReturnType<typeof beginRun>>;

/**
 * Checks the task's folders and network namespace, makes the run's files, and begins its launch.
 * @param cgroup the task's; without it, init stays in this process's cgroup
 */
export async function beginRun(sandbox: Sandbox, services: PreparingServices, cgroup?: string) {
  const { request, user, files } = sandbox;
  checkTaskFolders(sandbox.folders, request);
  checkNetworkNamespace(request.network);
  using opened = new DisposableStack();
  const keep = (descriptor: number) => opened.adopt(descriptor, closeSync);
  const { stdout, stderr, own } = openOutput(request, user, keep);
  makeRunFiles(files.folder);
  await using undoing = new AsyncDisposableStack();
  undoing.defer(() => removeRunFiles(files.folder));
  writeEtcFiles(sandbox.etcFiles);
  const { rules, isVisible } = sandbox;
  using jobs = sandbox.jobPaths.open(rules.entries);
  const points = prepareMounts(sandbox.mounts, sandbox.folders, rules, isVisible);
  using idmapped = await idmappedVolumes(points, sandbox, services);

  const given = { stdout, stderr, own, opened: jobs.files, idmapped, ...(cgroup && { cgroup }) };
  const begun = await beginLaunch(sandbox, points, given, services);
  const { launch, added, early, runCgroup } = begun;
  undoing.defer(() => launch.abandon());
  const unrecordedDenials = services.denials.problem ?? null;
  const late = planLate(sandbox, added.insideNamespace, begun, unrecordedDenials === null);
  launch.load(late);
  const isTold = unrecordedDenials === null || sandbox.egress !== null;
  const lastLine = isTold ? new LastLine(stderr) : undefined;
  undoing.defer(() => lastLine?.[Symbol.dispose]());
  const rights = rightsOf(sandbox);
  const cleanup = undoing.move();
  return {
    launch,
    /** Undefined if denials are not recorded. */
    lastLine,
    /** Undefined if the run has a pid namespace of its own. */
    runCgroup,
    /** Data of the event `sandboxed`. Resolves once init has reported its identity. */
    async sandboxed(limits: AppliedLimits, oomKills: number, disk?: DiskLimit) {
      // Describes the plan while init still sets up the namespaces.
      const plan = describePlan(joinPlan(early, late));
      return {
        command: sandbox.command,
        workDir: sandbox.workDir,
        user: user.name,
        uid: user.uid,
        gid: user.gid,
        ...rights,
        limits,
        unveiled: added.applied.map(({ path, mode, source }) => ({ path, mode, source })),
        skipped: [...added.skipped],
        root: rules.root,
        privateTmp: rules.privateTmp,
        sharedTmpReason: rules.sharedTmpReason,
        unrecordedDenials,
        egress: sandbox.egress,
        ...(disk && { disk }),
        oomKills,
        output: request.output.to === "journald" ? null : (own?.begin ?? outputPositions(request)),
        runFolder: files.folder,
        runCgroup: runCgroup ? `${runCgroup.parent}/${runCgroup.name}` : null,
        init: await launch.init(),
        plan,
      };
    },
    /** Ends the launch and removes what was prepared. */
    undo: () => cleanup.disposeAsync(),
  };
}

/** Undefined if the task has no idmapped volumes, as most have not. */
async function idmappedVolumes(
  { mounts }: MountPoints,
  { user }: Sandbox,
  { options, folder }: PreparingServices,
): Promise<IdmappedVolumes | undefined> {
  if (!mounts.some(({ isIdmapped }) => isIdmapped)) return undefined;
  const { IdmappedVolumes } = await import("../root/idmappedVolumes.ts");
  return await IdmappedVolumes.open(mounts, { user, options, runnerFolder: folder.run });
}

interface BegunLaunch extends EarlySandbox {
  readonly launch: PendingLaunch;
  readonly added: AddedRules;
}

interface LaunchInputs {
  /** Descriptors of the task's log pipes. */
  readonly stdout: number;
  readonly stderr: number;
  readonly own?: OpenedOutput["own"];
  /** What the job unveils. */
  readonly opened: OpenedFiles;
  readonly idmapped: IdmappedVolumes | undefined;
  readonly cgroup?: string;
}

/**
 * Begins the launch and adds the Landlock rules. Adding them opens all unveiled paths, which shows whether
 * the template of the task's root is still current. The launch begins again if a path has appeared,
 * disappeared or become another file, or if a path unexpectedly leads to /proc.
 */
async function beginLaunch(
  sandbox: Sandbox,
  points: MountPoints,
  { stdout, stderr, own, opened, idmapped, cgroup }: LaunchInputs,
  { facts: { landlockAbi }, folder, roots }: PreparingServices,
): Promise<BegunLaunch> {
  const { entries } = sandbox.rules;
  const { options } = sandbox.request;
  const logs = [
    { fd: stdout, mode: writeOnly, path: "/dev/stdout" },
    { fd: stderr, mode: writeOnly, path: "/dev/stderr" },
  ];
  let maskProc = false;
  for (let attempt = 1; ; attempt += 1) {
    await using undo = new AsyncDisposableStack();
    const choice = {
      ...{ known: knownPaths(), landlockAbi, maskProc },
      ...(cgroup && { cgroup }),
      ...(own?.begin && { logsBegin: own.begin }),
    };
    // Init takes the trees away, so each attempt has its own.
    using lent = new DisposableStack();
    const mounted = idmapped ? { ...points, mounts: lent.use(idmapped.copy()).mounts } : points;
    const planned = planEarly(sandbox, mounted, choice);
    const { early, root } = planned;
    const ruleset = undo.adopt(
      createRuleset(landlockAbi, options, scopesFor(landlockAbi, options)),
      closeSync,
    );
    using template = root && (await roots.holdFor(root, sandbox));
    const mounts = template?.namespace ?? roots.hostNamespace;
    const launch = new PendingLaunch(
      early,
      { stdout, stderr, ruleset, mounts, ...(own && { output: own }) },
      folder.run,
      idmapped && lent.move(),
    );
    undo.defer(() => launch.abandon());
    const added = addRules(ruleset, entries, logs, landlockAbi, planned.known, opened);
    const changed = template?.changedPaths(added.identities) ?? [];
    const isStale = changed.length > 0 || template?.lacksMount() === true;
    const isUnmasked = added.opensProc && root?.maskProc === false;
    if ((isStale && attempt < maxAttempts) || isUnmasked) {
      if (root && isStale) roots.discard(root.template);
      maskProc ||= isUnmasked;
      continue;
    }
    const replaced = changed.find((path) => added.identities.has(path) && isConfiguredAt(path, entries));
    if (replaced !== undefined) throw changesAllTheTime(replaced);
    undo.move();
    closeSync(ruleset);
    return { ...planned, launch, added };
  }
}

/**
 * After this many attempts the launch goes on: a default path or a mount that changes all the time must not keep
 * a task from starting.
 */
const maxAttempts = 3;

/** Whether the job or the operator names the path, so that tasks may be able to replace it. */
function isConfiguredAt(path: string, entries: readonly UnveilRule[]): boolean {
  return entries.some((rule) => rule.path === path && isConfigured(rule));
}

/**
 * Such a launch must not go on: the root would have another file than the one that was checked, and Landlock
 * covers neither stat(2) nor chmod(2), nor, before ABI 9, connections to sockets.
 */
function changesAllTheTime(path: string): DriverError {
  return new DriverError(
    "UNVEIL_PATH_UNSAFE",
    `The unveiled path ${path} led to different files while the task was starting`,
    {
      hint: "Find out who replaces it, or links on its way. It is safe to try again",
      recoverable: true,
    },
  );
}

const writeOnly = { read: false, write: true, execute: false, create: false };
