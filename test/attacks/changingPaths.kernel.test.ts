/**
 * A task changes a link in a folder that the operator lists, between the check of another job's path and the moment
 * at which the job's root is made. What was checked must be what the job gets. Landlock refuses to open what the
 * link leads to later, but not to look at it, to change its mode, or, on older kernels, to connect to a socket in it.
 */
import { closeSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { NodeDisk } from "../../src/driver/disk/nodeDisk.ts";
import { parsePluginOptions } from "../../src/driver/options/pluginOptions.ts";
import { probeHost } from "../../src/effects/host/hostFacts.ts";
import { pipe2, waitpid } from "../../src/effects/kernel/libc.ts";
import { prepareRun } from "../../src/effects/launch/prepare.ts";
import { parseTaskOptions } from "../../src/effects/parts.ts";
import { lookAt } from "../../src/effects/paths/hostPaths.ts";
import { failedStep } from "../../src/effects/plan/launchError.ts";
import { spawnPlan } from "../../src/effects/plan/spawnPlan.ts";
import { type Skeleton, skeletonOf } from "../../src/effects/root/skeleton.ts";
import { buildTemplatePlan } from "../../src/effects/root/templatePlan.ts";
import { requestOf } from "../../src/grpc/convert/requests.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { collectLogs } from "../support/agent/taskClient.ts";
import { hostFolder, temporaryFolder } from "../support/host/temporaryFolder.ts";
import { LateTemplates } from "../support/lateTemplates.ts";
import { recordingLogger } from "../support/recordingLogger.ts";

/** `shared` is the tenants'. `closed` is the host's, and not listed. */
let base: string;
beforeEach(() => {
  base = hostFolder();
  for (const name of ["shared/real/inner", "closed/inner"]) mkdirSync(`${base}/${name}`, { recursive: true });
  writeFileSync(`${base}/closed/inner/secret`, "");
});

/** Replaces a path by a link, in one step. */
function linkTo(target: string, path: string): void {
  symlinkSync(target, `${path}.next`);
  renameSync(`${path}.next`, path);
}

/** What a task sees that unveils a path in `shared`, or the code of the error of its start. */
async function seenBy(path: string, meanwhile: () => void): Promise<string> {
  const allocation = makeAllocation();
  const script = `stat ${path}/inner/secret > /dev/null && echo seen; stat ${path}/inner > /dev/null && echo there`;
  const config = allocation.config({});
  const options = parsePluginOptions({ unveil_allowed: [`rw:${base}/shared`] });
  const task = { command: "sh", args: ["-c", script], unveil: [`rw:${path}`] };
  collectLogs(config);
  using roots = new LateTemplates("/run", meanwhile);
  const folder = temporaryFolder("/run");
  const prepared = await prepareRun(
    { ...requestOf(config), output: { to: "agent" }, options: parseTaskOptions(task, options) },
    {
      ...{ options, roots, facts: probeHost(), denials: { problem: "off" } },
      folder: { run: folder, newRunFolder: () => `${folder}/run-of-task` },
      disk: new NodeDisk(recordingLogger(), folder),
    },
    { resolved: null, confine: async () => undefined, free: async () => undefined, release: () => undefined },
  ).catch(({ code, recoverable }) => `${code}, ${recoverable ? "again" : "for good"}`);
  if (typeof prepared === "string") return prepared;
  onTestFinished(prepared.undo);
  await prepared.launch.release();
  return await allocation.stdout.text();
}

test("a job gets a path that nobody changes", async () => {
  linkTo(`${base}/shared/real`, `${base}/shared/link`);
  expect(await seenBy(`${base}/shared/link`, () => undefined)).toBe("there\n");
});

test("a link that leads out of the list after its check opens nothing: the start is refused, and may be tried again", async () => {
  linkTo(`${base}/shared/real`, `${base}/shared/link`);
  const meanwhile = () => linkTo(`${base}/closed`, `${base}/shared/link`);
  expect(await seenBy(`${base}/shared/link`, meanwhile)).toBe("UNVEIL_PATH_UNSAFE, again");
});

test("a folder that becomes a link while the root is made opens nothing, either", async () => {
  const skeleton = skeletonOf(
    { paths: [{ path: `${base}/shared/real/inner`, writable: true, unveiled: true }], links: [], places: [] },
    lookAt,
  );
  expect(await reportOf(skeleton)).toBeUndefined();
  renameSync(`${base}/shared/real`, `${base}/shared/moved`);
  linkTo(`${base}/closed`, `${base}/shared/real`);
  expect((await reportOf(skeleton))?.message).toMatch(/a symlink was put into .*\/shared\/real\/inner/i);
});

/** The failure of a template's plan, if any. */
async function reportOf(skeleton: Skeleton): Promise<Error | undefined> {
  const folder = temporaryFolder("/run");
  const plan = buildTemplatePlan(skeleton, folder);
  const hold = pipe2();
  try {
    const { pid, report } = spawnPlan(plan, { hold: hold.read }, folder);
    onTestFinished(() => void waitpid(pid, 0));
    return failedStep(plan, (await report).failure, "no template");
  } finally {
    closeSync(hold.read);
    closeSync(hold.write);
  }
}
