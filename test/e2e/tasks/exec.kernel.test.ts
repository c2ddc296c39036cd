/** Commands that an agent runs in a running task. */
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import type { ExecTaskStreamingRequest } from "../../../src/grpc/generated/nomad/driver.ts";
import { type Agent, pidOf, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { capturedSteps } from "../../support/agent/captures.ts";
import { ExecCall, execScript } from "../../support/agent/execCall.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { processesNamed, procStatus } from "../../support/host/processes.ts";

const agent = await startAgent({ options: { unveil_by_task: true } });

interface Target {
  readonly agent: Agent;
  readonly allocation: Allocation;
  readonly id: string;
}

async function target(
  command: Parameters<Allocation["config"]>[0] = "exec sleep 1000",
  env = {},
): Promise<Target> {
  const allocation = makeAllocation();
  const config = allocation.config(command, { env });
  await startTask(agent, config);
  return { agent, allocation, id: config.id };
}

describe("a command without a terminal:", () => {
  test("output, end of output and exit code come in the form that agents expect", async () => {
    const { id } = await target();
    const call = await execScript(agent, id, "echo out; echo err >&2; exit 4");
    expect(`${call.stdout}`).toBe("out\n");
    expect(`${call.stderr}`).toBe("err\n");
    expect(call.marks.toSorted()).toEqual(["exited", "stderr.close", "stdout.close"]);
    expect(call.marks.at(-1)).toBe("exited");
    expect(await call.result).toEqual({ exitCode: 4, signal: 0, oomKilled: false });
  });

  test("the exit code after a signal is 128 and its number", async () => {
    const { id } = await target();
    const call = await execScript(agent, id, "kill -SEGV $$");
    expect(await call.result).toEqual({ exitCode: 139, signal: 11, oomKilled: false });
  });

  test("the command has the task's environment, working directory, user, namespaces and cgroup", async () => {
    const env = { GREETING: "hello there", EMPTY: "" };
    const { id, allocation } = await target("exec sleep 1000", env);
    const call = new ExecCall(agent, id, [
      "sh",
      "-c",
      'echo "$GREETING,$(env | grep ^EMPTY),$HOME"; pwd; id -u; echo "pid $$"; exec sleep 1000',
    ]);
    await call.shows("pid ");
    const [greeting, folder, uid] = `${call.stdout}`.split("\n");
    expect([greeting, folder, uid]).toEqual([
      "hello there,EMPTY=,/nonexistent",
      allocation.taskFolder,
      `${allocation.user.uid}`,
    ]);
    const task = await pidOf(agent, { id });
    const command = allocation.cgroup.processes().find((pid) => pid !== task) as number;
    await eventually(() => expect(procStatus(command).Name).toBe("sleep"));
    for (const kind of ["pid", "mnt", "ipc", "net", "uts"]) {
      expect(readlinkSync(`/proc/${command}/ns/${kind}`)).toBe(readlinkSync(`/proc/${task}/ns/${kind}`));
    }
    const privileges = (pid: number) =>
      Object.entries(procStatus(pid)).filter(([name]) =>
        /^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Umask|Sig)/.test(name),
      );
    expect(privileges(command)).toEqual(privileges(task));
    // The command has its own cgroup below the task's. Nomad's conformance test expects the ending.
    expect(dirname(cgroupOf(command))).toBe(cgroupOf(task));
    expect(cgroupOf(command)).toMatch(/\.scope$/);
    expect(readFileSync(`/proc/${command}/limits`, "utf8")).toBe(
      readFileSync(`/proc/${task}/limits`, "utf8"),
    );
    call.cancel();
  });

  test("20 MB of binary input arrive completely", async () => {
    const { id } = await target();
    const content = randomBytes(20_000_000);
    const call = new ExecCall(agent, id, ["sha256sum"]);
    for (let start = 0; start < content.length; start += 100_000)
      call.type(content.subarray(start, start + 100_000));
    call.closeInput();
    await call.result;
    expect(`${call.stdout}`).toBe(`${createHash("sha256").update(content).digest("hex")}  -\n`);
  });

  test("100 MB of output wait for a slow reader, outside of the plugin's memory", async () => {
    const { id } = await target();
    const before = residentBytes(agent.pid);
    const call = new ExecCall(agent, id, ["head", "-c", "100000000", "/dev/zero"]);
    call.pause();
    // Makes other calls, so that the output could fill the plugin's memory meanwhile.
    for (let round = 0; round < 200; round++) await agent.driver.inspectTask({ taskId: id });
    expect(residentBytes(agent.pid) - before).toBeLessThan(50_000_000);
    call.resume();
    expect(await call.result).toMatchObject({ exitCode: 0 });
    expect(call.stdout.length).toBe(100_000_000);
  });

  test("a command that has ended takes no more input", async () => {
    const { id } = await target();
    const call = new ExecCall(agent, id, ["true"]);
    for (let round = 0; round < 50; round++) call.type(Buffer.alloc(100_000));
    expect(await call.result).toMatchObject({ exitCode: 0 });
  });
});

test("the recorded requests of `nomad alloc exec` are answered", async () => {
  const allocation = makeAllocation();
  const config = allocation.config("exec sleep 1000");
  await startTask(agent, config);
  const recorded = capturedSteps("exec.jsonl").filter(
    ({ path, dir }) => path?.endsWith("/ExecTaskStreaming") && dir === "request",
  );
  const [setup, ...rest] = recorded.map(({ request }) => request as ExecTaskStreamingRequest);
  const call = new ExecCall(agent, config.id, setup?.setup?.command ?? []);
  for (const request of rest) call.send(request);
  expect(await call.result).toMatchObject({ exitCode: 4, signal: 0 });
  expect(`${call.stdout}`).toBe("in=main\n");
  expect(`${call.stderr}`).toContain("No such file or directory");
});

describe("the terminal of a command", () => {
  test("is the command's controlling terminal, in the requested size", async () => {
    const { id } = await target();
    const call = await execScript(
      agent,
      id,
      "stty size; tty; echo again > /dev/tty; echo more > /dev/stderr; echo $TERM; exit 3",
      {
        tty: true,
        size: { height: 33, width: 101 },
      },
    );
    // The command's devpts has only its own terminal.
    expect(`${call.stdout}`).toBe("33 101\r\n/dev/pts/0\r\nagain\r\nmore\r\nxterm\r\n");
    expect(await call.result).toMatchObject({ exitCode: 3 });
  });

  test("sends SIGWINCH to the command when its size changes", async () => {
    const { id } = await target();
    const script = 'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.01; done';
    const call = new ExecCall(agent, id, ["sh", "-c", script], { tty: true });
    await call.shows("ready");
    call.resize(7, 77);
    await call.shows("7 77");
    expect(await call.result).toMatchObject({ exitCode: 0 });
  });

  test("interrupts the command by Ctrl-C, and ends the input by Ctrl-D", async () => {
    const { id } = await target();
    const cat = new ExecCall(agent, id, ["cat"], { tty: true });
    cat.type("line\n");
    await cat.shows("line\r\nline");
    cat.type("\x03");
    expect(await cat.result).toMatchObject({ exitCode: 130, signal: 2 });
    const other = new ExecCall(agent, id, ["cat"], { tty: true });
    other.type("unfinished").closeInput();
    expect(await other.result).toMatchObject({ exitCode: 0 });
    expect(`${other.stdout}`).toContain("unfinishedunfinished");
  });

  test("keeps input for a program that does not read, and loses none", async () => {
    const { id, allocation } = await target();
    const open = allocation.gate();
    const script = "stty raw -echo; echo ready; read -r _ < $NOMAD_TASK_DIR/gate; head -c 300000 | sha256sum";
    const call = new ExecCall(agent, id, ["sh", "-c", script], { tty: true });
    await call.shows("ready");
    const content = Buffer.alloc(300_000, "0123456789abcdef");
    call.type(content);
    await agent.driver.inspectTask({ taskId: id });
    open();
    await call.result;
    expect(`${call.stdout}`).toContain(createHash("sha256").update(content).digest("hex"));
  });

  test("shows the output to the last byte", async () => {
    const { id } = await target();
    const call = await execScript(agent, id, "stty -onlcr; seq 200000", { tty: true });
    expect(`${call.stdout}`).toBe(Array.from({ length: 200_000 }, (_, n) => `${n + 1}\n`).join(""));
  });
});

describe("the sandbox of a command", () => {
  test("is the task's sandbox, also after the plugin was restarted with other options", async () => {
    const allocation = makeAllocation();
    const first = await startAgent({ options: { unveil_by_task: true } });
    const config = allocation.config({
      command: "sleep",
      args: ["1000"],
      unveil: ["r:/etc/debian_version", "r:/proc/self/status"],
    });
    const handle = await startTask(first, config);
    const script =
      "head -c 1 /etc/debian_version | wc -c; cat /etc/passwd; echo x > /tmp/own && cat /tmp/own; " +
      "cat /proc/self/status > /dev/null && echo status; kill -0 2 || echo no signal; echo x > /dev/stdout";
    const before = await execScript(first, config.id, script);
    expect(`${before.stdout}`).toBe("1\nx\nstatus\nno signal\nx\n");
    expect(`${before.stderr}`).toContain("/etc/passwd: No such file or directory");
    await first.crash();
    const next = await startAgent({ stateDir: first.stateDir, options: { unveil_paths: ["r:/etc/passwd"] } });
    await next.driver.recoverTask({ taskId: "", handle });
    const after = await execScript(next, config.id, script);
    expect(`${after.stdout}`).toBe(`${before.stdout}`);
    expect(`${after.stderr}`).toBe(`${before.stderr}`);
    const terminal = await execScript(next, config.id, "cat /etc/passwd; cat /etc/debian_version | wc -c", {
      tty: true,
    });
    expect(`${terminal.stdout}`).toContain("No such file or directory");
  });
});

describe("the end of a command", () => {
  test("comes with the end of its caller, and ends its whole session", async () => {
    const { id, allocation } = await target();
    const task = await pidOf(agent, { id });
    const call = new ExecCall(agent, id, ["sh", "-c", "trap '' HUP TERM INT; sleep 1001 & echo up; wait"]);
    await call.shows("up");
    call.cancel();
    await expect(call.result).rejects.toMatchObject({ code: 1 });
    await eventually(() => expect(allocation.cgroup.processes()).toEqual([task]));
    await recordedEnd(agent, id, { reason: "cancelled", signal: 9 });
  });

  test("comes with the end of a terminal's caller, too", async () => {
    const { id, allocation } = await target();
    const task = await pidOf(agent, { id });
    const call = new ExecCall(agent, id, ["sh", "-c", "trap '' HUP; echo up; sleep 1001"], { tty: true });
    await call.shows("up");
    call.cancel();
    await eventually(() => expect(allocation.cgroup.processes()).toEqual([task]));
  });

  test("comes with the task's end, and is recorded before the task is forgotten", async () => {
    const { id } = await target();
    const call = new ExecCall(agent, id, ["sh", "-c", "echo up; sleep 1001"]);
    await call.shows("up");
    await agent.driver.destroyTask({ taskId: id, force: true });
    expect(await call.result).toEqual({ exitCode: 137, signal: 9, oomKilled: false });
    const types = (await eventsOf(agent.stateDir, id)).map(({ type }) => type);
    // The task's own end may be recorded before or after the command's.
    expect(types.slice(-3).toSorted()).toEqual(["destroyed", "execExited", "exited"]);
    expect(types.at(-1)).toBe("destroyed");
  });

  test("does not wait for processes that the command leaves; they end with it unless they have their own session", async () => {
    const { id, allocation } = await target();
    const call = await execScript(agent, id, "sleep 1001 & setsid sleep 1002 & sleep 0.1; echo done");
    expect(`${call.stdout}`).toBe("done\n");
    // Killed processes disappear only after a moment.
    await eventually(() => {
      const left = allocation.cgroup.processes().map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8"));
      expect(left.toSorted()).toEqual(["sleep\x001000\0", "sleep\x001002\0"]);
    });
  });

  test("removes the command's cgroup, or else the end of the last process in it does", async () => {
    const { id, allocation } = await target();
    const { cgroup } = allocation;
    await execScript(agent, id, "true");
    expect(cgroup.below()).toEqual([]);
    await execScript(agent, id, "setsid sleep 1002 & sleep 0.1");
    expect(cgroup.below()).toHaveLength(1);
    writeFileSync(`${cgroup.below()[0]}/cgroup.kill`, "1");
    await eventually(() => expect(cgroup.below()).toEqual([]));
  });

  test("leaves nothing that would prevent the agent from removing the task's cgroup in one attempt", async () => {
    const { id, allocation } = await target();
    await execScript(agent, id, "setsid sleep 1002 & sleep 0.1");
    const call = new ExecCall(agent, id, ["sh", "-c", "echo up; sleep 1001"]);
    await call.shows("up");
    expect(allocation.cgroup.below()).toHaveLength(2);
    await agent.driver.destroyTask({ taskId: id, force: true });
    allocation.cgroup.removeAsAgent();
  });

  test("comes with the plugin's death, and the next plugin records it", async () => {
    const own = await startAgent();
    const allocation = makeAllocation();
    const config = allocation.config("exec sleep 1000");
    const handle = await startTask(own, config);
    const task = await pidOf(own, config);
    const call = new ExecCall(own, config.id, ["sh", "-c", "trap '' HUP; sleep 1001 & echo up; wait"]);
    await call.shows("up");
    await own.crash();
    // The command's main process ends at once, even without the next plugin.
    await eventually(() => expect(allocation.cgroup.processes().length).toBeLessThanOrEqual(2));
    const next = await startAgent({ stateDir: own.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    await eventually(() => expect(allocation.cgroup.processes()).toEqual([task]));
    await recordedEnd(next, config.id, { reason: "pluginEnded", exitCode: -1 });
  });

  test("comes also for commands that are only counted, except for processes with their own session", async () => {
    const own = await startAgent();
    const allocation = makeAllocation();
    const config = allocation.config("exec sleep 1000");
    const handle = await startTask(own, config);
    const task = await pidOf(own, config);
    for (let times = 0; times < 3; times++) await execScript(own, config.id, "exit 0");
    await execScript(own, config.id, "setsid sleep 1002 & sleep 0.1");
    const call = new ExecCall(own, config.id, [
      "sh",
      "-c",
      "trap '' HUP; sleep 1001 & setsid sleep 1003 & sleep 0.1; echo up; wait",
    ]);
    await call.shows("up");
    expect(
      (await eventsOf(own.stateDir, config.id)).filter(({ type }) => type === "execStarted"),
    ).toHaveLength(3);
    await own.crash();
    const next = await startAgent({ stateDir: own.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    const left = () =>
      allocation.cgroup
        .processes()
        .filter((pid) => pid !== task)
        .map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8"))
        .toSorted();
    await eventually(() => expect(left()).toEqual(["sleep\x001002\0", "sleep\x001003\0"]));
    await next.driver.destroyTask({ taskId: config.id, force: true });
    allocation.cgroup.removeAsAgent();
  });

  test("leaves no process that waited for it", async () => {
    await nobodyWaits();
  });
});

describe("the events of a command", () => {
  test("have program, user, terminal and end, but no arguments, and do not change the task's state", async () => {
    const { id, allocation } = await target("exec sleep 1000", { TOKEN: "s3cr3t-of-the-env" });
    await execScript(agent, id, "echo s3cr3t-argument $TOKEN; exit 5");
    const events = (await eventsOf(agent.stateDir, id)).slice(-2);
    expect(events).toMatchObject([
      {
        type: "execStarted",
        from: "running",
        to: "running",
        data: {
          exec: 1,
          command: expect.stringMatching(/\/sh$/),
          user: allocation.user.name,
          terminal: false,
        },
      },
      {
        type: "execExited",
        from: "running",
        to: "running",
        data: { exec: 1, exitCode: 5, signal: 0, reason: "ended" },
      },
    ]);
    const log = readFileSync(`${agent.stateDir}/events/data.mdb`, "latin1");
    expect(log).not.toContain("s3cr3t");
    expect(agent.stderrLines.join("\n")).not.toContain("s3cr3t");
  });
});

describe("commands that are run again and again", () => {
  test("are counted after the first, and all are recorded by the task's end", async () => {
    const { id } = await target();
    const check = (script: string) => agent.driver.execTask({ taskId: id, command: ["sh", "-c", script] });
    for (let times = 0; times < 40; times++) await check("exit 0");
    expect((await check("exit 1")).result?.exitCode).toBe(1);
    const recorded = (await eventsOf(agent.stateDir, id)).filter(({ type }) => type.startsWith("exec"));
    expect(recorded.map(({ type }) => type)).toEqual([
      ...[1, 2, 3].flatMap(() => ["execStarted", "execExited"]),
      ...["execsRepeated", "execsRepeated"],
    ]);
    expect(recorded.at(-1)?.data).toMatchObject({
      repetitions: [
        { command: expect.stringMatching(/\/sh$/), exitCode: 0, count: 36 },
        { exitCode: 1, count: 1 },
      ],
      more: 0,
    });
    for (let times = 0; times < 10; times++) await check("exit 1");
    await agent.driver.destroyTask({ taskId: id, force: true });
    const [last, ...before] = (await eventsOf(agent.stateDir, id)).slice(-3).toReversed();
    expect(last?.type).toBe("destroyed");
    expect(before.map(({ type }) => type)).toEqual(["exited", "execsRepeated"]);
    expect(before[1]?.data).toMatchObject({ repetitions: [{ exitCode: 1, count: 8 }] });
  });

  test("are recorded when the plugin ends", async () => {
    const own = await startAgent();
    const config = makeAllocation().config("exec sleep 1000");
    await startTask(own, config);
    for (let times = 0; times < 10; times++) await execScript(own, config.id, "exit 0");
    await own.close();
    expect((await eventsOf(own.stateDir, config.id)).at(-1)).toMatchObject({
      type: "execsRepeated",
      data: { repetitions: [{ exitCode: 0, count: 6 }] },
    });
  });
});

describe("a script check", () => {
  const execTask = (taskId: string, script: string, seconds = 20) =>
    agent.driver.execTask({ taskId, command: ["sh", "-c", script], timeout: { seconds, nanos: 0 } });

  test("gets both outputs and the exit code", async () => {
    const { id } = await target();
    expect(await execTask(id, "echo out; echo err >&2; cat; exit 2")).toEqual({
      stdout: Buffer.from("out\n"),
      stderr: Buffer.from("err\n"),
      result: { exitCode: 2, signal: 0, oomKilled: false },
    });
  });

  test("gets the end of a long output, and the number of missing bytes", async () => {
    const { id } = await target();
    const { stdout } = await execTask(id, "seq 100000");
    const [first = "", ...rest] = `${stdout}`.split("\n");
    expect(first).toBe(`[${588_895 - 65_536} bytes before this are left out]`);
    expect(rest.join("\n").length).toBe(65_536);
    expect(rest.at(-2)).toBe("100000");
  });

  test("is killed at its timeout", async () => {
    const { id, allocation } = await target();
    const task = await pidOf(agent, { id });
    await expect(execTask(id, "trap '' TERM; echo up; sleep 1001", 1)).rejects.toMatchObject({
      code: 4,
      details: expect.stringContaining("EXEC_TIMED_OUT: the command did not end within 1000 ms"),
    });
    await eventually(() => expect(allocation.cgroup.processes()).toEqual([task]));
    await recordedEnd(agent, id, { reason: "timedOut" });
  });
});

describe("a command that cannot be executed says why, and ends as in a shell:", () => {
  const file = (content: string | Buffer, mode: number) => (allocation: Allocation) => {
    const path = `${allocation.taskFolder}/local/program`;
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  };
  test.each<[string, (allocation: Allocation) => string, number, RegExp]>([
    ["nowhere", () => "nothing-such", 127, /: COMMAND_NOT_FOUND: .*looked for .*\/bin\/nothing-such/],
    ["nowhere by its path", () => "/no/such", 127, /: COMMAND_NOT_FOUND: .*\/no\/such/],
    ["a script without interpreter", file("#!/no/such\n", 0o755), 127, /: LAUNCH_FAILED: .*program: ENOENT/],
    ["without an execute bit", file("", 0o644), 126, /: COMMAND_NOT_EXECUTABLE: .*\/program is no/],
    ["a folder", () => "/usr/bin", 126, /: COMMAND_NOT_EXECUTABLE: .*\/usr\/bin is a folder/],
    ["not unveiled", () => "/usr/sbin/ldconfig", 127, /: COMMAND_NOT_FOUND: .* unveil "rx:.*ldconfig"/],
    ["no program", file(Buffer.from([0x7f]), 0o755), 126, /: LAUNCH_FAILED: .*: ENOEXEC/],
  ])("%s", async (_what, prepare, exitCode, line) => {
    const { id, allocation } = await target("exec sleep 1000", { TOKEN: "s3cr3t-of-the-env" });
    const command = [prepare(allocation), "argument"];
    const result = { exitCode, signal: 0, oomKilled: false };
    const streams = new ExecCall(agent, id, command).closeInput();
    expect(await streams.result).toEqual(result);
    expect(streams.marks.toSorted()).toEqual(["exited", "stderr.close", "stdout.close"]);
    expect(streams.stdout).toHaveLength(0);
    const said = `${streams.stderr}`;
    expect(said).toMatch(line);
    expect(said).toMatch(/^nomad-driver-exec2: [^\n]+\n$/);
    expect(said).not.toContain("s3cr3t");
    const terminal = new ExecCall(agent, id, command, { tty: true });
    expect(await terminal.result).toEqual(result);
    expect(`${terminal.stdout}`).toBe(said.replace("\n", "\r\n"));
    expect(terminal.stderr).toHaveLength(0);
    const check = await agent.driver.execTask({ taskId: id, command });
    expect({ ...check, stderr: `${check.stderr}` }).toEqual({
      stdout: Buffer.alloc(0),
      stderr: said,
      result,
    });
    await nobodyWaits();
  });
});

describe("refused:", () => {
  test.each([
    ["an unknown task", "no/such/task", ["true"], { code: 2, details: "task not found for given id" }],
    [
      "no command",
      undefined,
      [],
      { code: 3, details: expect.stringContaining("CONFIG_INVALID: the command is empty") },
    ],
    [
      "an empty command",
      undefined,
      [""],
      { code: 3, details: expect.stringContaining("the command is empty") },
    ],
    [
      "a NUL byte in an argument",
      undefined,
      ["true", "a\0b"],
      { code: 3, details: expect.stringContaining("CONFIG_INVALID: the command has a NUL byte") },
    ],
    [
      "a NUL byte in the program's name",
      undefined,
      ["a\0b"],
      { code: 3, details: expect.stringContaining("CONFIG_INVALID: the command has a NUL byte") },
    ],
  ])("%s", async (_what, taskId, command, refusal) => {
    const { id } = await target();
    for (const tty of [false, true]) {
      await expect(new ExecCall(agent, taskId ?? id, command, { tty }).result).rejects.toMatchObject(refusal);
    }
    await expect(agent.driver.execTask({ taskId: taskId ?? id, command })).rejects.toMatchObject(refusal);
    await nobodyWaits();
  });

  test("a stream that does not begin with a setup", async () => {
    const call = agent.driver.execTaskStreaming();
    call.write({ stdin: { data: Buffer.from("x"), close: false } });
    await expect(call.toArray()).rejects.toMatchObject({
      code: 3,
      details: expect.stringContaining("its setup"),
    });
  });

  test("a task that has ended", async () => {
    const allocation = makeAllocation();
    const config = allocation.config("true");
    await startTask(agent, config);
    await waitTask(agent, config);
    await expect(new ExecCall(agent, config.id, ["true"]).result).rejects.toMatchObject({
      code: 9,
      details: "TASK_NOT_RUNNING: the task is exited: no command can be run in it",
    });
  });
});

/**
 * Waits until no process that waited for a command is left. After a plugin was killed, the host's init reaps
 * the plugin's processes, which takes a moment.
 */
function nobodyWaits(): Promise<void> {
  return eventually(() => expect(processesNamed("exec2-exec").filter(isNoStrangers)).toEqual([]));
}

/** Whether a process is not a child of a plugin of another test file. */
function isNoStrangers(pid: number): boolean {
  try {
    const parent = Number(procStatus(pid).PPid);
    return parent === 1 || Number(procStatus(parent).PPid) === process.pid;
  } catch {
    // It has ended meanwhile.
    return false;
  }
}

/** Waits for the recorded end of a task's last command. */
async function recordedEnd(of: Agent, id: string, expected: object): Promise<void> {
  await eventually(async () => {
    const last = (await eventsOf(of.stateDir, id)).findLast(({ type }) => type === "execExited");
    expect(last?.data).toMatchObject(expected);
  });
}

function cgroupOf(pid: number): string {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "";
}

function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}
