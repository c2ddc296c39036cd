/** `cp`: files into and out of a running task, by the program itself. */
import {
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { expect, it } from "vitest";
import { startAgent, startedTask } from "../../support/agent/agent.ts";
import { hostFolder, temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call } from "../../support/screen/commandLine.ts";

const agent = await startAgent({ options: { unveil_by_task: true } });

async function holder(...unveil: string[]) {
  const { allocation, config } = await startedTask(agent, {
    command: "sh",
    args: ["-c", "exec 3>>$NOMAD_TASK_DIR/written; exec sleep 1000"],
    unveil,
  });
  await expect.poll(() => readdirSync(`${allocation.taskFolder}/local`)).toContain("written");
  const verb = (...args: string[]) => call([...args, "--state-dir", agent.stateDir]);
  const { uid, gid } = statSync(`${allocation.taskFolder}/local`);
  return {
    ...{ allocation, config, verb, user: { uid, gid } },
    local: `${allocation.taskFolder}/local`,
    cp: (from: string, to: string) => verb("cp", from, to),
  };
}

it("copies out of a task and into it, and the task's history says who did", async () => {
  const { config, local, cp, verb, user } = await holder();
  const folder = temporaryFolder();
  mkdirSync(`${local}/out`);
  writeFileSync(`${local}/out/report`, "report");
  symlinkSync("report", `${local}/out/link`);
  expect(await cp(`${config.id}:local/out`, folder)).toEqual({
    code: 0,
    stdout: "1 file, 1 folder, 6 B\n",
    stderr: "",
  });
  expect(readFileSync(`${folder}/out/report`, "utf8")).toBe("report");
  expect(readlinkSync(`${folder}/out/link`)).toBe("report");
  expect(await cp(`${folder}/out`, `${config.id}:${local}/in`)).toMatchObject({ code: 0, stderr: "" });
  expect(readFileSync(`${local}/in/report`, "utf8")).toBe("report");
  expect(statSync(`${local}/in/report`)).toMatchObject(user);
  expect(await cp(`${folder}/out/report`, `${config.id}:local`)).toMatchObject({ code: 0, stderr: "" });
  expect(readFileSync(`${local}/report`, "utf8")).toBe("report");

  const events = await verb("events", config.id);
  expect(events.stdout).toMatch(/operated +running +root copies \S+\/local\/out out of the task/);
  expect(events.stdout).toMatch(/operated +running +root copies files to \S+\/local\/in in the task/);
  const why = await verb("why", config.id);
  expect(why.stdout).toMatch(/Operator root copied \S+\/local\/out out of it \[\d+\]\./);
  expect(why.stdout).toMatch(/Operator root copied files to \S+\/local in it, the last of 2 times/);
});

it("follows no link of the task's to the host's files, in either direction", async () => {
  const { config, local, cp } = await holder();
  const [secrets, folder] = [hostFolder(), temporaryFolder()];
  writeFileSync(`${secrets}/file`, "secret");
  symlinkSync(secrets, `${local}/leads`);
  symlinkSync(`${secrets}/file`, `${local}/named`);
  for (const path of ["leads", "leads/file", "named"])
    expect(await cp(`${config.id}:local/${path}`, folder)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^PATH_NOT_FOUND/),
    });
  writeFileSync(`${folder}/file`, "from outside");
  expect(await cp(`${folder}/file`, `${config.id}:local/leads`)).toMatchObject({ code: 0 });
  // The link itself was replaced.
  expect(readFileSync(`${local}/leads`, "utf8")).toBe("from outside");
  expect(readFileSync(`${secrets}/file`, "utf8")).toBe("secret");
  expect(await cp(`${folder}/file`, `${config.id}:local/leads/x`)).toMatchObject({ code: 1 });
});

it("puts nothing where the task itself may not write, although root may: what is there is the host's", async () => {
  const shared = hostFolder();
  const { config, cp, verb } = await holder(`rx:${shared}`);
  const folder = temporaryFolder();
  writeFileSync(`${folder}/file`, "x");
  for (const path of [shared, "/usr/bin", "/etc/hosts", "/"])
    expect(await cp(`${folder}/file`, `${config.id}:${path}`)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^COPY_FAILED: the task itself may not write at/),
    });
  expect(readdirSync(shared)).toEqual([]);
  expect((await verb("events", config.id)).stdout).not.toContain("operated");
});

it("puts nothing where the task's user may not write, although the task's rules allow it", async () => {
  const shared = hostFolder();
  const { config, cp, user } = await holder(`rwc:${shared}`);
  const folder = temporaryFolder();
  writeFileSync(`${folder}/file`, "x");
  expect(await cp(`${folder}/file`, `${config.id}:${shared}`)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^COPY_FAILED: file cannot be written: permission denied/),
  });
  chownSync(shared, user.uid, user.gid);
  expect(await cp(`${folder}/file`, `${config.id}:${shared}`)).toMatchObject({ code: 0 });
});

it("tells of a process of the task that has a copied file open for writing", async () => {
  const { config, cp } = await holder();
  const folder = temporaryFolder();
  const copied = await cp(`${config.id}:local/written`, folder);
  expect(copied.code).toBe(0);
  expect(copied.stderr).toMatch(/^the file: process \d+ of the task has it open for writing\n$/);
});

it("says what is wrong with its arguments, that a task does not run, and that it needs root", async () => {
  const { config, cp, verb } = await holder();
  const refused = (stderr: string) => ({ code: 1, stderr: expect.stringMatching(stderr) });
  expect(await cp("/a", "/b")).toMatchObject(refused("CONFIG_INVALID: neither place is in a task"));
  expect(await cp("a:/a", "b:/b")).toMatchObject(refused("CONFIG_INVALID: both places are in tasks"));
  expect(await cp("nowhere:/a", ".")).toMatchObject(refused("TASK_NOT_FOUND"));
  expect(await cp("./not:there", `${config.id}:.`)).toMatchObject(refused("PATH_NOT_FOUND"));
  expect(await cp(`${config.id}:local/.`, temporaryFolder())).toMatchObject({ code: 0 });
  expect(await verb("cp", "only-one")).toMatchObject({ code: 2 });
  const args = ["cp", "--state-dir", agent.stateDir, `${config.id}:/etc/hosts`, "."];
  expect(await call(args, { unprivileged: true })).toMatchObject(refused("USER_FORBIDDEN"));
});
