/**
 * Carries out `prepareSandbox`: everything that must be in place before the task
 * starts. Looks before it acts, and leaves nothing open where it fails.
 */
import { closeSync, rmSync, writeFileSync } from "node:fs";
import { taskEnvironment } from "../../config/taskEnvironment.ts";
import { taskFolders } from "../../config/taskFolders.ts";
import type { TaskRequest } from "../../config/taskRequest.ts";
import { unveilRules } from "../../config/unveilRules.ts";
import { applyCgroupWrites, checkCgroup, readOomKills } from "../../effects/cgroup.ts";
import { planCgroupWrites } from "../../effects/cgroupPlan.ts";
import { resolveCommand, resolveWorkDir } from "../../effects/commandLookup.ts";
import { buildRuleset } from "../../effects/landlock.ts";
import { buildLaunchPlan } from "../../effects/launch/buildPlan.ts";
import { describePlan } from "../../effects/launch/describePlan.ts";
import type { Bind, LaunchNetwork } from "../../effects/launch/launchInput.ts";
import { openLogPipe } from "../../effects/logPipes.ts";
import { checkNetworkNamespace } from "../../effects/networkNamespace.ts";
import { resolvConf } from "../../effects/resolvConf.ts";
import { agentFileLimit } from "../../effects/resourceLimits.ts";
import { makeRunFiles, type RunFiles } from "../../effects/runFiles.ts";
import { checkTaskFolders } from "../../effects/taskFolderCheck.ts";
import { resolveUser } from "../../effects/users.ts";
import type { DriverServices } from "../services.ts";
import type { Task } from "../task.ts";

export async function prepareSandbox(task: Task, services: DriverServices): Promise<void> {
  const { request } = task.resources;
  if (request === undefined) return;
  const { options, facts, folder } = services;

  const user = await resolveUser(request.user, options);
  const folders = taskFolders(request.env);
  checkTaskFolders(folders, request);
  checkNetworkNamespace(request.network);
  const cgroup = checkCgroup(request.resources.cgroup);
  const env = taskEnvironment(request.env, user, folders);
  const workDir = resolveWorkDir(request.options.workDir, folders);
  const command = resolveCommand(request.options.command, { path: env.PATH, workDir });

  using opened = new DisposableStack();
  const keep = (descriptor: number) => opened.adopt(descriptor, closeSync);
  const stdout = keep(openLogPipe(request.stdoutPath, request.allocDir, user));
  const stderr = keep(openLogPipe(request.stderrPath, request.allocDir, user));
  const runFolder = folder.runFolder(task.id);
  const files = makeRunFiles(runFolder);
  using undo = new DisposableStack();
  undo.defer(() => rmSync(runFolder, { recursive: true, force: true }));
  const binds = dnsBinds(request, files);

  const rules = unveilRules({ options, task: request.options, folders, bound: binds });
  const logs = [stdout, stderr].map((fd, index) => ({ fd, mode: writeOnly, path: logNames[index] ?? "" }));
  const ruleset = buildRuleset(rules.entries, logs, facts.landlockAbi);
  keep(ruleset.fd);
  const plan = buildLaunchPlan({
    initName: initNameOf(request),
    cgroup,
    network: networkOf(request),
    binds,
    privateTmp: rules.privateTmp ? folders.tmpDir : undefined,
    namespaceRules: ruleset.insideNamespace,
    statusFile: files.status,
    aliveFifo: files.alive,
    command,
    args: request.options.args,
    env,
    workDir,
    uid: user.uid,
    gid: user.gid,
    groups: [],
    oomScoreAdj: request.options.oomScoreAdj,
    umask: taskUmask,
    noFile: agentFileLimit(),
  });
  const oomKills = readOomKills(cgroup) ?? 0;
  const limits = applyCgroupWrites(cgroup, planCgroupWrites(request.resources, facts));

  undo.move();
  task.resources.prepared = { plan, stdout, stderr, ruleset: ruleset.fd, descriptors: opened.move() };
  task.resources.environment = env;
  await task.record("sandboxed", {
    command,
    workDir,
    user: user.name,
    uid: user.uid,
    gid: user.gid,
    limits,
    unveiled: ruleset.applied.map(({ path, mode, source }) => ({ path, mode, source })),
    skipped: [...ruleset.skipped],
    privateTmp: rules.privateTmp,
    sharedTmpReason: rules.sharedTmpReason,
    oomKills,
    runFolder,
    plan: describePlan(plan),
  });
}

/** What the task sees as its standard streams when it opens `/dev/stdout` and `/dev/stderr` anew. */
const logNames = ["/dev/stdout", "/dev/stderr"];
const writeOnly = { read: false, write: true, execute: false, create: false };

/** What a login session would give; the agent's own is not the task's. */
const taskUmask = 0o022;

/** `ps` shows whose init it is: `exec2-init: 6f2d4a9e/web`. */
function initNameOf({ allocId, taskName }: TaskRequest): string {
  return `exec2-init: ${allocId.slice(0, 8)}/${taskName}`;
}

function networkOf({ network }: TaskRequest): LaunchNetwork {
  if (network.path !== "") return { kind: "join", path: network.path };
  return { kind: network.mode === "none" ? "loopback" : "host" };
}

function dnsBinds({ dns }: TaskRequest, files: RunFiles): Bind[] {
  if (dns === undefined) return [];
  writeFileSync(files.resolvConf, resolvConf(dns), { mode: 0o644 });
  return [{ source: files.resolvConf, target: "/etc/resolv.conf", readOnly: true }];
}
