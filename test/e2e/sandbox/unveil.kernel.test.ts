/** Tests the effect of `unveil` entries in a running task. */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { type Agent, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { hostFolder } from "../../support/host/temporaryFolder.ts";

let agent: Agent;
beforeAll(async () => {
  // Runs tasks in the host's tree, where only Landlock protects other files.
  agent = await startAgent({ options: { unveil_by_task: true, root: "host" } });
});

describe("a later mount of the host", () => {
  test("below an unveiled folder appears in a running task, and below another folder stays closed", async () => {
    const allocation = makeAllocation();
    const base = hostFolder(allocation.user);
    command("mount", "--bind", base, base);
    onTestFinished(() => command("umount", "--recursive", "--lazy", base));
    command("mount", "--make-shared", base);
    for (const name of ["open/later", "closed/later"]) mkdirSync(`${base}/${name}`, { recursive: true });
    const release = allocation.gate();
    const script = `read -r _ < $NOMAD_TASK_DIR/gate; cat ${base}/open/later/file ${base}/closed/later/file`;
    const config = allocation.config({
      command: "sh",
      args: ["-c", script],
      unveil: [`r:${base}/open`],
    });
    await startTask(agent, config);
    for (const name of ["open", "closed"]) {
      command("mount", "-t", "tmpfs", "none", `${base}/${name}/later`);
      writeFileSync(`${base}/${name}/later/file`, `${name}\n`);
    }
    release();
    await agent.driver.waitTask({ taskId: config.id });
    expect(await allocation.stdout.text()).toBe("open\n");
    expect(await allocation.stderr.text()).toMatch(/closed\/later\/file: Permission denied/);
  });
});

describe("a path", () => {
  test("may contain colons; the first colon ends the mode", async () => {
    const allocation = makeAllocation();
    const base = hostFolder(allocation.user);
    for (const name of ["a:b:c", "a"]) writeFileSync(`${base}/${name}`, `${name}\n`);
    const args = [`${base}/a:b:c`, `${base}/a`];
    const { out, err } = await run(allocation, { command: "cat", args, unveil: [`r:${base}/a:b:c`] });
    expect([out, err]).toEqual(["a:b:c\n", expect.stringMatching(/\/a: Permission denied\n/)]);
  });

  test("that two entries name has the rights of both", async () => {
    const allocation = makeAllocation();
    const file = `${hostFolder(allocation.user)}/file`;
    writeFileSync(file, "before\n");
    chownSync(file, allocation.user.uid, allocation.user.gid);
    const attempts = `cat ${file}; echo after > ${file}; cat ${file}`;
    const shell = { command: "sh", args: ["-c", attempts] };
    const both = await run(allocation, { ...shell, unveil: [`r:${file}`, `w:${file}`] });
    expect(both).toMatchObject({ exitCode: 0, out: "before\nafter\n" });
  });

  test("that an entry of the plugin and an entry of the job name has the rights of both", async () => {
    const program = `${hostFolder(makeAllocation().user)}/program`;
    copyFileSync("/bin/echo", program);
    chmodSync(program, 0o755);
    const reading = await startAgent({
      options: { unveil_by_task: true, unveil_paths: [`r:${program}`], root: "host" },
    });
    const what = { command: program, args: ["ran"], unveil: [`x:${program}`] };
    expect(await run(makeAllocation(), what, reading)).toMatchObject({ exitCode: 0, out: "ran\n" });
    // Neither entry alone is enough, because the kernel must also read a program to execute it.
    await expect(run(makeAllocation(), what)).rejects.toThrow(/execve .*program: EACCES/);
    await expect(run(makeAllocation(), { ...what, unveil: [] }, reading)).rejects.toThrow(/EACCES/);
  });

  test("below /proc/self is the task's own, for its children, too", async () => {
    const script =
      "cat /proc/self/status | grep -c ^Name; sh -c 'read -r name < /proc/self/comm; echo $name'";
    const command = { command: "sh", args: ["-c", script], unveil: ["r:/proc/self/status"] };
    expect(await run(makeAllocation(), command)).toEqual({ exitCode: 0, out: "1\nsh\n", err: "" });
    const { err } = await run(makeAllocation(), { ...command, unveil: [] });
    expect(err.match(/Permission denied/g)).toHaveLength(2);
  });

  test.each(["r:/etc/*", "r:/etc/host?", "r:/etc/[a-z]"])(
    "with a pattern, %s, is refused, and the error says what to write instead",
    async (entry) => {
      const config = makeAllocation().config({ command: "true", unveil: [entry] });
      const refused = await startTask(agent, config).catch(errorOfCall);
      expect(refused).toMatchObject({
        code: "CONFIG_INVALID",
        message: expect.stringMatching(/pattern character.*Patterns are not expanded: name the folder/),
      });
    },
  );
});

async function run(allocation: Allocation, what: Readonly<Record<string, unknown>>, by = agent) {
  const { exitCode } = await runTask(by, allocation.config(what));
  const [out, err] = await Promise.all([allocation.stdout.text(), allocation.stderr.text()]);
  return { exitCode, out, err };
}

function command(name: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(name, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${name} ${args.join(" ")} failed: ${stderr}`);
}
