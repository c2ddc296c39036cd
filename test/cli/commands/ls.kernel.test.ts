/** `ls`: files as a running task sees them. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { type Agent, startAgent, startTask } from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { hostFolder } from "../../support/host/temporaryFolder.ts";
import { call } from "../../support/screen/commandLine.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({ options: { unveil_by_task: true } });
});

async function listing(...unveil: string[]): Promise<{
  allocation: Allocation;
  ls(...args: string[]): ReturnType<typeof call>;
}> {
  const allocation = makeAllocation();
  allocation.gate();
  const config = allocation.config({
    command: "sh",
    args: ["-c", "read -r _ < $NOMAD_TASK_DIR/gate"],
    unveil: ["r:/etc/debian_version", ...unveil],
  });
  await startTask(agent, config);
  return { allocation, ls: (...args) => call(["ls", "--state-dir", agent.stateDir, config.id, ...args]) };
}

test("ls shows each entry with the task's rights and their sources", async () => {
  const { allocation, ls } = await listing();
  const top = await ls();
  expect(top).toMatchObject({ code: 0, stderr: "" });
  expect(top.stdout).toMatch(/^r-x- {2}bin -> usr\/bin +default paths$/m);
  expect(top.stdout).toMatch(/^---- {2}etc\/ +leads to an unveiled path$/m);
  expect(top.stdout).toMatch(/^rwxc {2}tmp\/ +default paths, task's own folder$/m);
  expect(top.stdout).not.toMatch(/root|home/);
  const etc = await ls("/etc");
  expect(etc.stdout).toMatch(/^r--- {2}debian_version +job's unveil$/m);
  expect(etc.stdout).not.toContain("passwd");
  expect((await ls("/usr/bin/env")).stdout).toBe("r-x-  env  default paths\n");
  // A relative path begins where commands of exec do.
  expect((await ls("local")).stdout).toMatch(/^rwxc {2}gate +task's own folder$/m);
  expect((await ls(allocation.taskFolder)).stdout).toMatch(/^rwxc {2}local\/ +task's own folder$/m);
});

test("ls distinguishes a folder from a file, even if the folder has only an entry with its own name", async () => {
  const folder = hostFolder();
  mkdirSync(`${folder}/app/app`, { recursive: true });
  const { ls } = await listing(`rx:${folder}/app/app`);
  expect((await ls(`${folder}/app`)).stdout).toBe("r-x-  app/  job's unveil\n");
});

test("ls follows no link out of the task's root, and escapes control characters in names", async () => {
  const { allocation, ls } = await listing();
  const local = `${allocation.taskFolder}/local`;
  symlinkSync("/etc", `${local}/link`);
  writeFileSync(`${local}/two\nlines`, "");
  const listed = await ls(local);
  expect(listed.stdout).toContain("link -> /etc");
  expect(listed.stdout).toContain("two␊lines");
  // The link leads to /etc in the task's root, not to the host's /etc.
  expect((await ls(`${local}/link`)).stdout).not.toContain("passwd");
  const json = await ls("--json", "/etc");
  const entries = json.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(entries).toContainEqual({
    name: "debian_version",
    kind: "file",
    rights: "r",
    sources: ["task"],
    leads: false,
  });
});

test("ls says that a path does not exist, or that a task does not run", async () => {
  const { ls } = await listing();
  expect(await ls("/root")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^PATH_NOT_FOUND: the task sees nothing at \/root/),
  });
  expect(await call(["ls", "--state-dir", agent.stateDir, "no-such-task"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("TASK_NOT_FOUND"),
  });
});
