/**
 * Carries out `prepareSandbox`: everything that must be in place before the task
 * starts. Looks before it acts, and leaves nothing behind where it fails.
 */
import { closeSync, rmSync } from "node:fs";
import { applyCgroupWrites, checkCgroup, readOomKills } from "../../effects/cgroup.ts";
import { planCgroupWrites } from "../../effects/cgroupPlan.ts";
import { describePlan } from "../../effects/launch/describePlan.ts";
import { openLogPipe } from "../../effects/logPipes.ts";
import { writeNetworkFiles } from "../../effects/networkFiles.ts";
import { checkNetworkNamespace } from "../../effects/networkNamespace.ts";
import { makeRunFiles } from "../../effects/runFiles.ts";
import { checkTaskFolders } from "../../effects/taskFolderCheck.ts";
import { findProgram, planSandbox } from "../sandboxPlan.ts";
import type { DriverServices } from "../services.ts";
import type { Task } from "../task.ts";
import { rightsOf } from "../taskRights.ts";

export async function prepareSandbox(task: Task, services: DriverServices): Promise<void> {
  const { request } = task.resources;
  if (request === undefined) return;
  const { options, facts, folder } = services;

  const program = await findProgram(request, options, facts);
  const { user, env, workDir, command } = program;
  checkTaskFolders(program.folders, request);
  checkNetworkNamespace(request.network);
  const cgroup = checkCgroup(request.resources.cgroup);

  using opened = new DisposableStack();
  const keep = (descriptor: number) => opened.adopt(descriptor, closeSync);
  const stdout = keep(openLogPipe(request.stdoutPath, request.allocDir, user));
  const stderr = keep(openLogPipe(request.stderrPath, request.allocDir, user));
  const runFolder = folder.runFolder(task.id);
  const files = makeRunFiles(runFolder);
  using undo = new DisposableStack();
  undo.defer(() => rmSync(runFolder, { recursive: true, force: true }));
  writeNetworkFiles(request, files);

  const { rules, ruleset, launch } = planSandbox(request, program, {
    options,
    facts,
    cgroup,
    files,
    opened: [
      { fd: stdout, mode: writeOnly, path: "/dev/stdout" },
      { fd: stderr, mode: writeOnly, path: "/dev/stderr" },
    ],
  });
  keep(ruleset.fd);
  const oomKills = readOomKills(cgroup) ?? 0;
  const limits = applyCgroupWrites(cgroup, planCgroupWrites(request.resources, facts, request.options));

  task.resources.prepared = { plan: launch, stdout, stderr, ruleset: ruleset.fd, descriptors: opened.move() };
  task.resources.environment = env;
  const recorded = await task.record("sandboxed", {
    command,
    workDir,
    user: user.name,
    uid: user.uid,
    gid: user.gid,
    ...rightsOf(program, request.options),
    limits,
    unveiled: ruleset.applied.map(({ path, mode, source }) => ({ path, mode, source })),
    skipped: [...ruleset.skipped],
    privateTmp: rules.privateTmp,
    sharedTmpReason: rules.sharedTmpReason,
    oomKills,
    runFolder,
    plan: describePlan(launch),
  });
  // From here on the folder is the machine's to remove; a fact that was refused told it of none.
  if (recorded) undo.move();
}

const writeOnly = { read: false, write: true, execute: false, create: false };
