/**
 * A task's folders as a Nomad client creates them: the task's paths are bind mounts of the allocation's
 * folders, and its secrets are in a separate file system.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { type Agent, pidOf, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";

let agent: Agent;
beforeAll(async () => {
  // Runs tasks in the host's tree, where only Landlock protects other files.
  agent = await startAgent({ options: { root: "host" } });
});

test("a task works in its bound folders, and its files are in the allocation's folders", async () => {
  const { allocation, env } = bound();
  const script = `
    set -e
    echo shared > $NOMAD_ALLOC_DIR/data/file; echo own > $NOMAD_TASK_DIR/file; echo temporary > /tmp/file
    cat $NOMAD_SECRETS_DIR/nomad_token $TMPDIR/file; ls $NOMAD_ALLOC_DIR/logs`;
  expect(await runTask(agent, allocation.config(script, { env }))).toMatchObject({ exitCode: 0 });
  expect(await allocation.stdout.text()).toBe("token\ntemporary\n");
  expect(readFileSync(`${allocation.folder}/alloc/data/file`, "utf8")).toBe("shared\n");
  expect(readFileSync(`${allocation.taskFolder}/local/file`, "utf8")).toBe("own\n");
  expect(readFileSync(`${allocation.taskFolder}/tmp/file`, "utf8")).toBe("temporary\n");
});

test("a task starts in the folder that its environment names", async () => {
  const { allocation, env, mounted } = bound();
  const config = allocation.config("exec sleep 1000", { env });
  await startTask(agent, config);
  expect(readlinkSync(`/proc/${await pidOf(agent, config)}/cwd`)).toBe(mounted);
  await agent.driver.destroyTask({ taskId: config.id, force: true });
});

test("the original folders, which the task's environment does not name, are closed to the task", async () => {
  const { allocation, env } = bound();
  writeFileSync(`${allocation.folder}/private`, "the agent's");
  const script = `cat ${allocation.folder}/private`;
  expect(await runTask(agent, allocation.config(script, { env }))).toMatchObject({ exitCode: 1 });
  expect(await allocation.stderr.text()).toContain("Permission denied");
});

test("programs in a task's secrets do not run", async () => {
  const { allocation, env } = bound();
  const script = "cp /bin/true $NOMAD_SECRETS_DIR/program && $NOMAD_SECRETS_DIR/program";
  expect(await runTask(agent, allocation.config(script, { env }))).toMatchObject({ exitCode: 126 });
});

/** An allocation whose folders have other paths in the task. */
function bound() {
  const allocation = makeAllocation();
  const { folder, taskFolder, user } = allocation;
  const mounted = `${folder.slice(0, folder.lastIndexOf("/alloc/"))}/alloc_mounts/${allocation.id}-main`;
  mkdirSync(mounted, { recursive: true });
  chmodSync(mounted.slice(0, mounted.lastIndexOf("/")), 0o711);
  mkdirSync(`${taskFolder}/alloc`);
  mount(["-t", "tmpfs", "-o", "size=1m,noexec,nosuid,nodev", "secrets"], `${taskFolder}/secrets`);
  chownSync(`${taskFolder}/secrets`, user.uid, user.gid);
  chmodSync(`${taskFolder}/secrets`, 0o700);
  writeFileSync(`${taskFolder}/secrets/nomad_token`, "token\n", { mode: 0o644 });
  mount(["--bind", taskFolder], mounted);
  mount(["--bind", `${folder}/alloc`], `${mounted}/alloc`);
  mount(["--bind", `${taskFolder}/secrets`], `${mounted}/secrets`);
  const env = {
    NOMAD_ALLOC_DIR: `${mounted}/alloc`,
    NOMAD_TASK_DIR: `${mounted}/local`,
    NOMAD_SECRETS_DIR: `${mounted}/secrets`,
  };
  return { allocation, env, mounted };
}

/**
 * Mounts until the test has finished. Hooks run in reverse order, so the mount ends before the allocation is
 * removed.
 */
function mount(what: readonly string[], where: string): void {
  run("mount", [...what, where]);
  onTestFinished(() => run("umount", ["--lazy", where]));
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${stderr}`);
}
