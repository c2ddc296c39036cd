import { lstatSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type Agent, runTask, startTask } from "../../support/agent/agent.ts";
import { type Allocation, type Command, makeAllocation } from "../../support/agent/allocation.ts";
import { expectRefusal, startWarmAgent } from "../../support/agent/refusal.ts";
import { prepareStart } from "../../support/agent/taskClient.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startWarmAgent({});
});

describe("a start fails recoverably", () => {
  test("because no process reads the log pipe", async () => {
    const allocation = await collectedAllocation();
    await allocation.stderr.close();
    const text = /no process reads the task's log pipe .*main\.stderr\.fifo: ENXIO/;
    await expectRefusal(agent, allocation.config("true"), {
      code: "LOG_PIPE_NO_READER",
      text,
      recoverable: true,
    });
  });

  test("because the log pipe does not exist yet", async () => {
    const allocation = await collectedAllocation();
    rmSync(allocation.stdout.path);
    const text = /does not exist .*main\.stdout\.fifo: ENOENT/;
    await expectRefusal(agent, allocation.config("true"), {
      code: "LOG_PIPE_NO_READER",
      text,
      recoverable: true,
    });
  });
});

describe("a log pipe that a task has replaced is not opened", () => {
  test.each<[string, (allocation: Allocation, victim: Allocation) => void]>([
    [
      "by a symlink to a file",
      ({ stdout }) => {
        rmSync(stdout.path);
        symlinkSync("/etc/hosts", stdout.path);
      },
    ],
    [
      "by a symlink to another allocation's pipe",
      ({ stdout }, victim) => {
        rmSync(stdout.path);
        symlinkSync(victim.stdout.path, stdout.path);
      },
    ],
    [
      "by a plain file",
      ({ stdout }) => {
        rmSync(stdout.path);
        writeFileSync(stdout.path, "");
      },
    ],
    [
      "by a folder of pipes elsewhere",
      ({ folder }, victim) => {
        renameSync(`${folder}/alloc/logs`, `${folder}/alloc/moved`);
        symlinkSync(`${victim.folder}/alloc/logs`, `${folder}/alloc/logs`);
      },
    ],
  ])("%s", async (_what, replace) => {
    const victim = await collectedAllocation();
    const allocation = await collectedAllocation();
    const before = [lstatSync("/etc/hosts"), lstatSync(victim.stdout.path)];
    replace(allocation, victim);
    const text = /is unsafe/;
    await expectRefusal(agent, allocation.config("true"), {
      code: "LOG_PIPE_UNSAFE",
      text,
      recoverable: false,
    });
    expect([statSync("/etc/hosts"), statSync(victim.stdout.path)].map(({ uid, gid }) => [uid, gid])).toEqual(
      before.map(({ uid, gid }) => [uid, gid]),
    );
  });
});

describe("the task's own log says why its start failed", () => {
  test.each<[string, Command, RegExp]>([
    ["while the options are read", { command: "true", umask: "9" }, /CONFIG_INVALID: .*"umask" must be/],
    ["before the launch", { command: "no-such-command" }, /COMMAND_NOT_FOUND: .*"no-such-command" not found/],
    [
      "during the launch",
      { command: "true", args: ["x".repeat(200_000)] },
      /LAUNCH_FAILED: .*execve .*E2BIG/,
    ],
  ])("%s", async (_what, command, text) => {
    const allocation = makeAllocation();
    const refused = await startTask(agent, allocation.config(command)).catch((error) => error);
    // The log has the error before the agent gets it.
    const [line, ...rest] = (await allocation.stderr.text()).split("\n");
    expect(line).toMatch(/^nomad-driver-exec2: /);
    expect(line).toMatch(text);
    expect(refused.message).toContain(line?.slice("nomad-driver-exec2: ".length));
    expect(rest).toEqual([""]);
  });
});

test("a task with disabled logs runs, and only the agent gets the error of a failed start", async () => {
  const allocation = makeAllocation();
  const disabled = { stdoutPath: "/dev/null", stderrPath: "/dev/null" };
  const script = "echo out; echo err >&2; [ /proc/$$/fd/1 -ef /dev/null ] && [ /proc/$$/fd/2 -ef /dev/null ]";
  expect(await runTask(agent, allocation.config(script, disabled))).toMatchObject({ exitCode: 0 });
  const refused = allocation.config({ command: "no-such-command" }, disabled);
  await expect(startTask(agent, refused)).rejects.toThrow("COMMAND_NOT_FOUND");
  // The driver neither took /dev/null for a pipe nor gave it to the task's user.
  expect(statSync("/dev/null").uid).toBe(0);
});

/** An allocation with log pipes and a reader, as before a start. */
async function collectedAllocation(): Promise<Allocation> {
  const allocation = makeAllocation();
  await prepareStart(agent.driver, allocation.config("true"));
  return allocation;
}
