/**
 * Prepares everything that a task needs to start. Checks before it acts, and leaves
 * nothing behind if it fails.
 *
 * The launch begins as soon as its namespaces are planned: init sets them up while this
 * module adds rules, writes limits and builds the rest of the plan. Init then waits until
 * the event `sandboxed` is committed.
 */

import { closeSync } from "node:fs";
import type { TaskRequest } from "../../config/task/taskRequest.ts";
import { applyCgroupWrites, checkCgroup, readOomKills } from "../../effects/cgroup/cgroup.ts";
import { planCgroupWrites } from "../../effects/cgroup/cgroupPlan.ts";
import { LastLine, openLogPipe } from "../../effects/files/logPipes.ts";
import { checkTaskFolders } from "../../effects/files/taskFolderCheck.ts";
import { knownPaths } from "../../effects/landlock/knownPaths.ts";
import { checkVisible } from "../../effects/landlock/rules.ts";
import { type AddedRules, addRules, createRuleset } from "../../effects/landlock/ruleset.ts";
import { describePlan } from "../../effects/launch/describePlan.ts";
import { PendingLaunch } from "../../effects/launch/launcher.ts";
import { joinPlan } from "../../effects/launch/plan.ts";
import { checkNetworkNamespace } from "../../effects/network/networkNamespace.ts";
import { makeRunFiles, type RunFiles, removeRunFiles } from "../../effects/run/runFiles.ts";
import { taskEtcFiles, writeEtcFiles } from "../../effects/run/taskEtcFiles.ts";
import type { EventData } from "../../machines/events.ts";
import type { StateFolder } from "../../store/folder/stateFolder.ts";
import type { TaskId } from "../../taskId.ts";
import type { DriverServices } from "../services.ts";
import { type EarlySandbox, findProgram, planEarly, planLate, type TaskProgram } from "./sandboxPlan.ts";
import { rightsOf } from "./taskRights.ts";

/** A run whose init waits for its release. */
export interface PreparedRun {
  readonly launch: PendingLaunch;
  /** The task's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Undefined if denials are not recorded. */
  readonly lastLine: LastLine | undefined;
  /** Data of the event `sandboxed`: what was prepared. */
  readonly sandboxed: EventData<"sandboxed">;
  /** Ends the launch and removes what was prepared. */
  undo(): Promise<void>;
}

export type PreparingServices = Pick<
  DriverServices,
  "options" | "facts" | "roots" | "privateRootProblem" | "denials"
> & { readonly folder: Pick<StateFolder, "run" | "runFolder"> };

/**
 * @param rehearsed whether nothing will run: init stays in this process's cgroup, and no limits are set
 * @throws DriverError for anything that keeps the task from starting
 */
export async function prepareRun(
  taskId: TaskId,
  request: TaskRequest,
  services: PreparingServices,
  rehearsed = false,
): Promise<PreparedRun> {
  const { options, facts, folder } = services;
  const program = await findProgram(request, services);
  const { user, env, workDir, command } = program;
  checkTaskFolders(program.folders, request);
  checkNetworkNamespace(request.network);
  const cgroup = rehearsed ? undefined : checkCgroup(request.resources.cgroup);
  const oomKills = cgroup === undefined ? 0 : (readOomKills(cgroup) ?? 0);

  using opened = new DisposableStack();
  const keep = (descriptor: number) => opened.adopt(descriptor, closeSync);
  const stdout = keep(openLogPipe(request.stdoutPath, request.allocDir, user));
  const stderr = keep(openLogPipe(request.stderrPath, request.allocDir, user));
  const runFolder = folder.runFolder(taskId);
  const files = makeRunFiles(runFolder);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => removeRunFiles(runFolder));
  writeEtcFiles(taskEtcFiles(request, program, files, options));

  const { launch, added, early, rules, runCgroup } = await beginLaunch(
    request,
    program,
    { cgroup, files, stdout, stderr },
    services,
  );
  undo.defer(() => launch.abandon());
  const unrecordedDenials = services.denials.problem ?? null;
  const late = planLate(request, program, added.insideNamespace, runCgroup, unrecordedDenials === null);
  launch.load(late);
  const writes = planCgroupWrites(request.resources, facts, request.options);
  const limits = [
    ...(cgroup === undefined ? [] : applyCgroupWrites(cgroup, writes)),
    ...(facts.seccomp ? [] : [missingFilter]),
  ];
  const lastLine = unrecordedDenials === null ? new LastLine(stderr) : undefined;
  undo.defer(() => lastLine?.[Symbol.dispose]());
  // Describes the plan while init still sets up its namespaces.
  const plan = describePlan(joinPlan(early, late));
  const sandboxed = {
    command,
    workDir,
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
  const cleanup = undo.move();
  return { launch, env, lastLine, sandboxed, undo: () => cleanup.disposeAsync() };
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

interface LaunchResources {
  readonly cgroup: string | undefined;
  readonly files: RunFiles;
  readonly stdout: number;
  readonly stderr: number;
}

/**
 * Begins the launch and adds the Landlock rules. Adding them opens all unveiled paths, which shows whether
 * the template of the task's root is still current. The launch begins again if a path has appeared,
 * disappeared or become another file, or if it unexpectedly leads to /proc.
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
