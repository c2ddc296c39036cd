/**
 * Prepares everything that a task needs to start. Checks before it acts, and leaves
 * nothing behind if it fails.
 *
 * The launch begins as soon as its namespaces are planned: init sets them up while this
 * module adds rules, writes limits and builds the rest of the plan. Init then waits until
 * the event `sandboxed` is committed.
 */
import { closeSync, rmSync } from "node:fs";
import type { TaskRequest } from "../../config/task/taskRequest.ts";
import { applyCgroupWrites, checkCgroup, readOomKills } from "../../effects/cgroup/cgroup.ts";
import { planCgroupWrites } from "../../effects/cgroup/cgroupPlan.ts";
import { openLogPipe } from "../../effects/files/logPipes.ts";
import { makeRunFiles } from "../../effects/files/runFiles.ts";
import { checkTaskFolders } from "../../effects/files/taskFolderCheck.ts";
import { addRules, createRuleset } from "../../effects/landlock/ruleset.ts";
import { describePlan } from "../../effects/launch/describePlan.ts";
import { PendingLaunch } from "../../effects/launch/launcher.ts";
import { joinPlan } from "../../effects/launch/plan.ts";
import { writeNetworkFiles } from "../../effects/network/networkFiles.ts";
import { checkNetworkNamespace } from "../../effects/network/networkNamespace.ts";
import type { EventData } from "../../machines/events.ts";
import type { DriverServices } from "../opening/services.ts";
import { findProgram, planEarly, planLate } from "../start/sandboxPlan.ts";
import { rightsOf } from "../start/taskRights.ts";

/** A run whose init waits for its release. */
export interface PreparedRun {
  readonly launch: PendingLaunch;
  /** The task's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Data of the event `sandboxed`: what was prepared. */
  readonly sandboxed: EventData<"sandboxed">;
  /** Ends the launch and removes what was prepared. */
  undo(): Promise<void>;
}

/** @throws DriverError for any reason that a start can fail for */
export async function prepareRun(
  taskId: string,
  request: TaskRequest,
  { options, facts, folder }: Pick<DriverServices, "options" | "facts" | "folder">,
): Promise<PreparedRun> {
  const program = await findProgram(request, options, facts);
  const { user, env, workDir, command } = program;
  checkTaskFolders(program.folders, request);
  checkNetworkNamespace(request.network);
  const cgroup = checkCgroup(request.resources.cgroup);
  const oomKills = readOomKills(cgroup) ?? 0;

  using opened = new DisposableStack();
  const keep = (descriptor: number) => opened.adopt(descriptor, closeSync);
  const stdout = keep(openLogPipe(request.stdoutPath, request.allocDir, user));
  const stderr = keep(openLogPipe(request.stderrPath, request.allocDir, user));
  const ruleset = keep(createRuleset(facts.landlockAbi, request.options));
  const runFolder = folder.runFolder(taskId);
  const files = makeRunFiles(runFolder);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rmSync(runFolder, { recursive: true, force: true }));
  writeNetworkFiles(request, files);

  const { rules, early, runCgroup } = planEarly(request, program, { options, cgroup, files });
  const launch = new PendingLaunch(early, { stdout, stderr, ruleset }, folder.run);
  undo.defer(() => launch.abandon());
  const added = addRules(
    ruleset,
    rules.entries,
    [
      { fd: stdout, mode: writeOnly, path: "/dev/stdout" },
      { fd: stderr, mode: writeOnly, path: "/dev/stderr" },
    ],
    facts.landlockAbi,
  );
  const late = planLate(request, program, added.insideNamespace, runCgroup);
  launch.load(late);
  const limits = [
    ...applyCgroupWrites(cgroup, planCgroupWrites(request.resources, facts, request.options)),
    ...(facts.seccomp ? [] : [missingFilter]),
  ];
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
    privateTmp: rules.privateTmp,
    sharedTmpReason: rules.sharedTmpReason,
    oomKills,
    runFolder,
    runCgroup: runCgroup ? `${runCgroup.parent}/${runCgroup.name}` : null,
    init: await launch.init(),
    plan: describePlan(joinPlan(early, late)),
  };
  const cleanup = undo.move();
  return { launch, env, sandboxed, undo: () => cleanup.disposeAsync() };
}

/** Told like a limit that the host lacks. */
const missingFilter = {
  file: "seccomp",
  value: "filter",
  applied: false,
  reason: "the kernel has no seccomp filters",
} as const;

const writeOnly = { read: false, write: true, execute: false, create: false };
