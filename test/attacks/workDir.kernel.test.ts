/**
 * Paths through the descriptors of the process that becomes the task, as in CVE-2024-21626. This process has
 * the host's /proc open. It enters its working directory and adds rules before it restricts itself.
 */

import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync, statSync, symlinkSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import type { LaunchPlan, Step } from "../../src/effects/plan/plan.ts";
import { startTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { execScript } from "../support/agent/execCall.ts";
import { expectRefusal, startWarmAgent } from "../support/agent/refusal.ts";
import { volumeMount } from "../support/agent/requests.ts";
import { hostFolder, persistentFolders, temporaryFolder } from "../support/host/temporaryFolder.ts";
import { TestRun } from "../support/launch/launchRun.ts";
import { launch } from "../support/launch/wholeLaunch.ts";

const agent = await startWarmAgent({ options: { unveil_by_task: true } });

/** Descriptors that may be open when the process enters its working directory. */
const descriptors = [3, 4, 5, 6, 7, 8, 9, 10, 11];

describe("a work dir that is a link to a descriptor", () => {
  test("is the host's /proc, without protection", async () => {
    using run = new TestRun();
    const script = { command: "/bin/sh", args: ["-c", "stat -c %d:%i ."] };
    await launch(unprotected(run.plan({ ...script, workDir: "/proc/self/fd/7" })), run.descriptors);
    await run.ended();
    const { dev, ino } = statSync("/proc");
    expect(run.output()).toBe(`${dev}:${ino}\n`);
  });

  test.each(descriptors)("is not entered: %i", async (descriptor) => {
    using run = new TestRun();
    const workDir = `/proc/self/fd/${descriptor}`;
    await expect(run.start({ workDir })).rejects.toMatchObject({
      code: "LAUNCH_FAILED",
      failed: { call: "openat2", path: workDir, errno: expect.stringMatching(/^(ELOOP|ENOENT)$/) },
    });
  });

  test("is not entered in a volume, which the driver cannot check beforehand", async () => {
    const allocation = makeAllocation();
    const { uid } = allocation.user;
    const hostPath = temporaryFolder(persistentFolders);
    chownSync(hostPath, uid, uid);
    symlinkSync("/proc/self/fd/7", `${hostPath}/escape`);
    const config = allocation.config(
      { command: "sleep", args: ["1000"], work_dir: "local/data/escape" },
      { mounts: [volumeMount(hostPath, "local/data")] },
    );
    await expectRefusal(agent, config, {
      code: "LAUNCH_FAILED",
      text: /openat2 .*\/data\/escape: ENOENT/,
      recoverable: false,
    });
  });

  test("is not entered by a command, once a task has replaced its work dir", async () => {
    const allocation = makeAllocation();
    mkdirSync(`${allocation.taskFolder}/local/app`);
    const script = "cd ..; mv app old; ln -s /proc/self/fd/7 app; echo ready; exec sleep 1000";
    const config = allocation.config({ command: "sh", args: ["-c", script], work_dir: "local/app" });
    await startTask(agent, config);
    await allocation.stdout.contains("ready");
    await expect(execScript(agent, config.id, "ls -d [0-9]*")).rejects.toMatchObject({
      details: expect.stringMatching(/LAUNCH_FAILED: .*"change to the working directory" failed/),
    });
  });
});

describe("an unveiled path through a link to a descriptor", () => {
  const refused = {
    code: "UNVEIL_PATH_UNSAFE",
    text: /leads through a link to an open file of a process/,
    recoverable: false,
  };

  test.each([
    ...descriptors.map((number) => `/proc/self/fd/${number}`),
    "/proc/self/cwd",
    "/proc/1/root/etc",
  ])("is refused: %s", async (path) => {
    const allocation = makeAllocation();
    // If the plugin does not have the descriptor, the path does not exist.
    const config = allocation.config({ command: "true", unveil: [`r:${path}`] });
    await expect(startTask(agent, config)).rejects.toMatchObject({
      details: expect.stringMatching(/UNVEIL_PATH_(UNSAFE|MISSING)/),
    });
  });

  test("is refused behind a symlink", async () => {
    const allocation = makeAllocation();
    const link = `${allocation.folder}/link`;
    symlinkSync("/proc/self/fd/7", link);
    await expectRefusal(agent, allocation.config({ command: "true", unveil: [`r:${link}`] }), refused);
  });

  test("may lead to a standard stream of the task", async () => {
    const allocation = makeAllocation();
    const link = `${allocation.folder}/link`;
    symlinkSync("fd/1", `${allocation.folder}/second`);
    symlinkSync("/dev/stdout", link);
    const script = `echo through ${link} > /proc/self/fd/1; echo again > /dev/stdout`;
    const config = allocation.config({
      command: "sh",
      args: ["-c", script],
      unveil: [`w:${link}`, "w:/dev/fd/1"],
    });
    await startTask(agent, config);
    expect(await allocation.stdout.text()).toBe(`through ${link}\nagain\n`);
  });
});

describe("a procfs of the host at another path", () => {
  test.each([
    ["bound", ["--bind", "/proc"]],
    ["mounted anew", ["-t", "proc", "proc"]],
  ])("is refused: %s", async (_how, what) => {
    const allocation = makeAllocation();
    const around = hostFolder();
    const folder = `${around}/deep`;
    mkdirSync(folder);
    onTestFinished(() => void command("umount", [folder]));
    command("mount", [...what, folder]);
    await expectRefusal(agent, allocation.config("true", { mounts: [volumeMount(folder, "local/data")] }), {
      code: "MOUNT_SOURCE_INVALID",
      text: /is in the host's \/proc/,
      recoverable: false,
    });
    for (const path of [around, folder, `${folder}/1`, `${folder}/self/cmdline`]) {
      await expectRefusal(agent, allocation.config({ command: "true", unveil: [`r:${path}`] }), {
        code: "UNVEIL_PATH_UNSAFE",
        text: /leads to a \/proc that is not the task's/,
        recoverable: false,
      });
    }
  });
});

/** The plan without the protection: descriptors stay open, and every link is followed. */
function unprotected(plan: LaunchPlan): LaunchPlan {
  const task = plan.steps.task.flatMap((step): Step[] => {
    if (step.name === "close the driver's descriptors") return [];
    if (step.name !== "change to the working directory") return [step];
    const [, path = ""] = step.args;
    return step.call === "openat2" ? [{ name: step.name, call: "chdir", args: [path] }] : [];
  });
  return { ...plan, steps: { ...plan.steps, task } };
}

function command(name: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(name, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${name} ${args.join(" ")} failed: ${stderr}`);
}
