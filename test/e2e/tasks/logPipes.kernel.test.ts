import { lstatSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { beforeAll, describe, expect, test } from "vitest";
import { decodeHandle, encodeHandle } from "../../../src/driver/recovery/taskHandle.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import {
  type Agent,
  readyTask,
  runTask,
  startAgent,
  startedTask,
  startTask,
  waitTask,
  withoutOptions,
} from "../../support/agent/agent.ts";
import { type Allocation, type Command, makeAllocation } from "../../support/agent/allocation.ts";
import { expectRefusal, startWarmAgent } from "../../support/agent/refusal.ts";
import { collectLogs, prepareStart, stopLogs } from "../../support/agent/taskClient.ts";

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
      lateLogs: [allocation.stdout.path],
    });
  });
});

describe("a log pipe that a task has replaced is not opened", () => {
  test.each<[string, (allocation: Allocation, victim: Allocation) => void, ("stdout" | "stderr")[]?]>([
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
      ["stdout", "stderr"],
    ],
  ])("%s", async (_what, replace, lost = ["stdout"]) => {
    const victim = await collectedAllocation();
    const allocation = await collectedAllocation();
    const before = [lstatSync("/etc/hosts"), lstatSync(victim.stdout.path)];
    replace(allocation, victim);
    const text = /is unsafe/;
    await expectRefusal(agent, allocation.config("true"), {
      code: "LOG_PIPE_UNSAFE",
      text,
      recoverable: false,
      lateLogs: lost.map((stream) => allocation[stream].path),
    });
    // The victim's pipes have not been opened either.
    expect(await stopLogs(victim.config("true"))).toEqual([victim.stdout.path, victim.stderr.path]);
    expect([statSync("/etc/hosts"), statSync(victim.stdout.path)].map(({ uid, gid }) => [uid, gid])).toEqual(
      before.map(({ uid, gid }) => [uid, gid]),
    );
  });
});

describe("the task's own log says why its start failed", () => {
  test.each<[string, Command, RegExp]>([
    [
      "before the options are read",
      { command: "true", args: Array.from({ length: 11 }, () => "x".repeat(100_000)) },
      /CONFIG_INVALID: the task's options have 1,1\d\d,\d\d\d bytes/,
    ],
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

describe("a task whose output", () => {
  const script = "echo up; read -r _ < $NOMAD_TASK_DIR/gate; echo more; exit 7";

  test("is not read any more gets SIGPIPE when it writes", async () => {
    const allocation = makeAllocation();
    const open = allocation.gate();
    const { config } = await readyTask(agent, script, allocation);
    await allocation.stdout.close();
    open();
    expect(await waitTask(agent, config)).toMatchObject({ signal: constants.signals.SIGPIPE });
  });

  test("is read on ends by itself", async () => {
    const allocation = makeAllocation();
    const open = allocation.gate();
    const { config } = await readyTask(agent, script, allocation);
    open();
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 7, signal: 0 });
    expect(await allocation.stdout.text()).toBe("up\nmore\n");
  });
});

describe("an agent does not wait for the logs of a recovered run", () => {
  test.each<[string, string, (allocation: Allocation) => Promise<unknown>]>([
    ["that was over", "exit 7", async ({ cgroup }) => cgroup.empty()],
    ["that had closed its output", "exec >&- 2>&-; read -r _ < $NOMAD_TASK_DIR/gate; exit 7", async () => {}],
  ])("%s", async (_what, script, isReady) => {
    const first = await startAgent();
    const allocation = makeAllocation();
    const open = allocation.gate();
    const task = await startedTask(first, script, allocation);
    await allocation.stdout.text();
    await allocation.stderr.text();
    await isReady(allocation);
    await first.crash();

    const next = await startAgent({ stateDir: first.stateDir });
    await next.driver.recoverTask({ taskId: "", handle: withoutOptions(task.handle) });
    // A restarted agent collects logs anew, but only after the recovery.
    collectLogs(task.config);
    open();
    expect(await waitTask(next, task.config)).toMatchObject({ exitCode: 7 });
    expect(await stopLogs(task.config)).toEqual([]);
  });

  test("that is lost", async () => {
    const first = await startAgent();
    const { allocation, config, handle } = await readyTask(first, "echo up; exec >&- 2>&-; exec sleep 1000");
    await allocation.stdout.text();
    await first.crash();
    rmSync(stateFolderPaths(first.stateDir).events, { recursive: true });
    const bootId = "4e7a3d2b-0000-4000-8000-000000000000";
    const driverState = encodeHandle({ ...decodeHandle(handle.driverState), bootId });
    const rebooted = { ...handle, driverState: Buffer.from(driverState) };
    const next = await startAgent({ stateDir: first.stateDir });
    collectLogs(config);
    await expect(next.driver.recoverTask({ taskId: "", handle: rebooted })).rejects.toThrow("TASK_LOST");
    expect(await stopLogs(config)).toEqual([]);
  });
});

/** An allocation with log pipes and a reader, as before a start. */
async function collectedAllocation(): Promise<Allocation> {
  const allocation = makeAllocation();
  await prepareStart(agent.driver, allocation.config("true"));
  return allocation;
}
