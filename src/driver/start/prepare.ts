/**
 * Prepares everything that a task needs to start. Checks before it acts, and leaves
 * nothing behind if it fails.
 *
 * The launch begins as soon as its namespaces are planned: init sets them up while this
 * module adds rules, writes limits and builds the rest of the plan. Init then waits until
 * the event `sandboxed` is committed.
 */

import { closeSync } from "node:fs";
import { applyCgroupWrites, checkCgroup, readOomKills } from "../../effects/cgroup/cgroup.ts";
import { planCgroupWrites } from "../../effects/cgroup/cgroupPlan.ts";
import { checkVisible } from "../../effects/landlock/rules.ts";
import { type AddedRules, addRules, createRuleset } from "../../effects/landlock/ruleset.ts";
import { PendingLaunch } from "../../effects/launch/launcher.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import { checkTaskFolders } from "../../effects/layout/taskFolderCheck.ts";
import { LastLine, openLogPipe } from "../../effects/logs/logPipes.ts";
import { taskEtcFiles, writeEtcFiles } from "../../effects/names/taskEtcFiles.ts";
import { checkNetworkNamespace } from "../../effects/network/networkNamespace.ts";
import { describePlan } from "../../effects/plan/describePlan.ts";
import { joinPlan } from "../../effects/plan/plan.ts";
import { makeRunFiles, removeRunFiles } from "../../effects/run/runFiles.ts";
import { knownPaths } from "../../effects/unveil/knownPaths.ts";
import type { EventData } from "../../machines/events.ts";
import type { StateFolder } from "../../store/folder/stateFolder.ts";
import type { DriverServices } from "../services.ts";
import {
  type EarlySandbox,
  findProgram,
  planEarly,
  planLate,
  type SandboxPlace,
  type TaskProgram,
} from "./sandboxPlan.ts";
import { rightsOf } from "./taskRights.ts";

/** A run whose init waits for its go-ahead. */
export interface PreparedRun extends Pick<BegunRun, "launch" | "lastLine" | "undo"> {
  /** The task's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Data of the event `sandboxed`: what was prepared. */
  readonly sandboxed: EventData<"sandboxed">;
}

export type PreparingServices = Pick<
  DriverServices,
  "options" | "facts" | "roots" | "privateRootProblem" | "denials"
> & { readonly folder: Pick<StateFolder, "run" | "runFolder"> };

/** @throws DriverError for anything that keeps the task from starting */
export async function prepareRun(request: TaskRequest, services: PreparingServices): Promise<PreparedRun> {
  const { facts } = services;
  const program = await findProgram(request, services);
  const cgroup = checkCgroup(request.resources.cgroup);
  const oomKills = readOomKills(cgroup) ?? 0;
  const { launch, lastLine, sandboxed, undo } = await beginRun(request, program, cgroup, services);
  await using undoing = new AsyncDisposableStack();
  undoing.defer(undo);
  const writes = planCgroupWrites(request.resources, facts, request.options);
  const limits = [...applyCgroupWrites(cgroup, writes), ...(facts.seccomp ? [] : [missingFilter])];
  const data = await sandboxed(limits, oomKills);
  undoing.move();
  return { launch, lastLine, env: program.env, sandboxed: data, undo };
}

/** A run whose launch has begun. The launch has its whole plan, but the run's limits are not applied yet. */
export interface BegunRun {
  readonly launch: PendingLaunch;
  /** Undefined if denials are not recorded. */
  readonly lastLine: LastLine | undefined;
  /** Data of the event `sandboxed`. Resolves once init has reported its identity. */
  sandboxed(limits: Sandboxed["limits"], oomKills: number): Promise<Sandboxed>;
  /** Ends the launch and removes what was prepared. */
  undo(): Promise<void>;
}

type Sandboxed = EventData<"sandboxed">;

/**
 * Checks the task's folders and network namespace, makes the run's files, and begins its launch.
 * @param cgroup as in {@link SandboxPlace}
 */
export async function beginRun(
  request: TaskRequest,
  program: TaskProgram,
  cgroup: SandboxPlace["cgroup"],
  services: PreparingServices,
): Promise<BegunRun> {
  const { user } = program;
  checkTaskFolders(program.folders, request);
  checkNetworkNamespace(request.network);
  using opened = new DisposableStack();
  const keep = (descriptor: number) => opened.adopt(descriptor, closeSync);
  const stdout = keep(openLogPipe(request.stdoutPath, request.allocDir, user));
  const stderr = keep(openLogPipe(request.stderrPath, request.allocDir, user));
  const runFolder = services.folder.runFolder(request.taskId);
  const files = makeRunFiles(runFolder);
  await using undoing = new AsyncDisposableStack();
  undoing.defer(() => removeRunFiles(runFolder));
  writeEtcFiles(taskEtcFiles(request, program, files, services.options));

  const resources = { cgroup, files, stdout, stderr };
  const { launch, added, early, rules, runCgroup } = await beginLaunch(request, program, resources, services);
  undoing.defer(() => launch.abandon());
  const unrecordedDenials = services.denials.problem ?? null;
  const late = planLate(request, program, added.insideNamespace, runCgroup, unrecordedDenials === null);
  launch.load(late);
  const lastLine = unrecordedDenials === null ? new LastLine(stderr) : undefined;
  undoing.defer(() => lastLine?.[Symbol.dispose]());
  const sandboxed = async (limits: Sandboxed["limits"], oomKills: number) => {
    // Describes the plan while init still sets up the namespaces.
    const plan = describePlan(joinPlan(early, late));
    return {
      command: program.command,
      workDir: program.workDir,
      user: user.name,
      uid: user.uid,
      gid: user.gid,
      ...rightsOf(program, request.options),
      limits,
      unveiled: added.applied.map(({ path, mode, source }) => ({ path, mode, source })),
      skipped: [...added.skipped],
      root: rules.root,
      privateTmp: rules.privateTmp,
      sharedTmpReason: rules.sharedTmpReason,
      unrecordedDenials,
      oomKills,
      runFolder,
      runCgroup: runCgroup ? `${runCgroup.parent}/${runCgroup.name}` : null,
      init: await launch.init(),
      plan,
    };
  };
  const cleanup = undoing.move();
  return { launch, lastLine, sandboxed, undo: () => cleanup.disposeAsync() };
}

/** Reported as a limit that could not be applied. */
const missingFilter = {
  file: "seccomp",
  value: "filter",
  applied: false,
  reason: "the kernel has no seccomp filters",
} as const;

interface BegunLaunch extends EarlySandbox {
  readonly launch: PendingLaunch;
  readonly added: AddedRules;
}

interface LaunchResources extends Pick<SandboxPlace, "cgroup" | "files"> {
  readonly stdout: number;
  readonly stderr: number;
}

/**
 * Begins the launch and adds the Landlock rules. Adding them opens all unveiled paths, which shows whether
 * the template of the task's root is still current. The launch begins again if a path has appeared,
 * disappeared or become another file, or if a path unexpectedly leads to /proc.
 */
async function beginLaunch(
  request: TaskRequest,
  program: TaskProgram,
  { cgroup, files, stdout, stderr }: LaunchResources,
  { options, facts, folder, roots, privateRootProblem }: PreparingServices,
): Promise<BegunLaunch> {
  let maskProc = false;
  for (let attempt = 1; ; attempt += 1) {
    await using undo = new AsyncDisposableStack();
    const known = knownPaths();
    const sandbox = planEarly(request, program, {
      ...{ options, privateRootProblem, cgroup, files, maskProc, known },
      landlockAbi: facts.landlockAbi,
    });
    const { rules, early, root } = sandbox;
    const ruleset = undo.adopt(createRuleset(facts.landlockAbi, request.options), closeSync);
    using template = root && (await roots.hold(root.template));
    const mounts = template?.namespace ?? roots.hostNamespace;
    const launch = new PendingLaunch(early, { stdout, stderr, ruleset, mounts }, folder.run);
    undo.defer(() => launch.abandon());
    const logs = [
      { fd: stdout, mode: writeOnly, path: "/dev/stdout" },
      { fd: stderr, mode: writeOnly, path: "/dev/stderr" },
    ];
    const added = addRules(ruleset, rules.entries, logs, facts.landlockAbi, sandbox.known);
    checkVisible(rules.entries, program.isVisible, added.realPaths);
    const isStale = template?.isCurrent(added.identities) === false;
    const isUnmasked = added.opensProc && root?.maskProc === false;
    if ((isStale && attempt < maxAttempts) || isUnmasked) {
      if (root && isStale) roots.discard(root.template);
      maskProc ||= isUnmasked;
      continue;
    }
    undo.move();
    closeSync(ruleset);
    return { ...sandbox, launch, added };
  }
}

/**
 * After this many attempts the launch goes on: a path that changes all the time must not keep a task from
 * starting.
 */
const maxAttempts = 3;

const writeOnly = { read: false, write: true, execute: false, create: false };
