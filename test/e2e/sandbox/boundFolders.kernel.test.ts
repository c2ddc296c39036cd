/**
 * A task's folders as a Nomad client creates them: the task's paths are bind mounts of the allocation's
 * folders, and its secrets are in a separate file system.
 */
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { type Agent, pidOf, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { boundAllocation } from "../../support/agent/boundAllocation.ts";

let agent: Agent;
beforeAll(async () => {
  // Runs tasks in the host's tree, where only Landlock protects other files.
  agent = await startAgent({ options: { root: "host" } });
});

test("a task works in its bound folders, and its files are in the allocation's folders", async () => {
  const { allocation, env } = boundAllocation();
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
  const { allocation, env, mounted } = boundAllocation();
  const config = allocation.config("exec sleep 1000", { env });
  await startTask(agent, config);
  expect(readlinkSync(`/proc/${await pidOf(agent, config)}/cwd`)).toBe(mounted);
  await agent.driver.destroyTask({ taskId: config.id, force: true });
});

test("the original folders, which the task's environment does not name, are closed to the task", async () => {
  const { allocation, env } = boundAllocation();
  writeFileSync(`${allocation.folder}/private`, "the agent's");
  const script = `cat ${allocation.folder}/private`;
  expect(await runTask(agent, allocation.config(script, { env }))).toMatchObject({ exitCode: 1 });
  expect(await allocation.stderr.text()).toContain("Permission denied");
});

test("programs in a task's secrets do not run", async () => {
  const { allocation, env } = boundAllocation();
  const script = "cp /bin/true $NOMAD_SECRETS_DIR/program && $NOMAD_SECRETS_DIR/program";
  expect(await runTask(agent, allocation.config(script, { env }))).toMatchObject({ exitCode: 126 });
});
