/** `stop`, `signal` and `wait` from end to end, over tasks that `run` or an agent has started. */
import { expect, it } from "vitest";
import { startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, jobFileOf, shellJob, start } from "../../support/screen/commandLine.ts";

const agent = await startAgent();
const script = "trap 'echo got HUP' HUP; trap 'exit 5' TERM; echo up; while :; do sleep 0.1; done";

it("signal reaches the task, stop sends the given signal, and wait returns the task's exit code", async () => {
  const stateDir = temporaryFolder();
  const verb = (...args: string[]) => call([...args, "--state-dir", stateDir]);
  const run = start(["run", "--state-dir", stateDir, shellJob(script)]);
  await run.seen("up");
  expect(await verb("signal", "task", "hup")).toEqual({ code: 0, stdout: "", stderr: "" });
  await run.seen("got HUP");
  const waiting = start(["wait", "task", "--state-dir", stateDir]);
  expect(await verb("stop", "task", "--signal", "SIGTERM")).toEqual({ code: 0, stdout: "", stderr: "" });
  expect((await waiting.ended).code).toBe(5);
  expect((await run.ended).code).toBe(5);
  expect((await verb("wait", "task")).code).toBe(5);
  expect((await verb("why", "task")).stdout).toContain("SIGHUP");
});

it("stop sends a task its kill_signal, and waits for the task's end", async () => {
  const stateDir = temporaryFolder();
  const run = start(["run", "--state-dir", stateDir, shellJob(script, 'kill_signal = "SIGTERM"')]);
  await run.seen("up");
  expect(await call(["stop", "task", "--state-dir", stateDir])).toEqual({ code: 0, stdout: "", stderr: "" });
  expect((await run.ended).code).toBe(5);
});

it("stop kills a task that does not obey", async () => {
  const stateDir = temporaryFolder();
  const run = start([
    "run",
    "--state-dir",
    stateDir,
    shellJob("trap '' INT; echo up; while :; do sleep 0.1; done"),
  ]);
  await run.seen("up");
  await call(["stop", "--timeout", "100ms", "task", "--state-dir", stateDir]);
  expect((await run.ended).code).toBe(137);
});

it("stop and restart say at once that they wait for a suspended run", async () => {
  const stateDir = temporaryFolder();
  const run = start(["run", "--state-dir", stateDir, shellJob(script, 'kill_signal = "SIGTERM"')]);
  await run.seen("up");
  run.child.kill("SIGSTOP");
  const stop = start(["stop", "task", "--state-dir", stateDir]);
  const said = await stop.seen("kill -CONT", "stderr");
  expect(said).toBe(
    `waiting for the run of task task: its process ${run.child.pid} is suspended. To continue it: fg in its terminal, or kill -CONT ${run.child.pid}\n`,
  );
  run.child.kill("SIGCONT");
  expect((await stop.ended).code).toBe(0);
  expect((await run.ended).code).toBe(5);
});

it("stop, signal and wait say what is wrong with their arguments", async () => {
  const stateDir = temporaryFolder();
  await call(["run", "--state-dir", stateDir, shellJob("exit 3")]);
  const verb = (...args: string[]) => call([...args, "--state-dir", stateDir]);
  expect(await verb("stop", "task")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^TASK_NOT_FOUND: task is not running: .*: exit 3\n$/),
  });
  expect(await verb("signal", "task", "NOPE")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("SIGNAL_UNKNOWN: "),
  });
  expect(await verb("wait", "taks")).toMatchObject({
    code: 125,
    stderr: expect.stringContaining("Did you mean task?"),
  });
  expect((await verb("stop", "task", "--timeout", "soon")).code).toBe(2);
});

it("stop and restart refuse an agent's task, and name the nomad command to use instead", async () => {
  const config = makeAllocation({ taskName: "served" }).config("exec sleep 1000");
  await startTask(agent, config);
  for (const verb of ["stop", "restart"]) {
    expect(await call([verb, "served", "--state-dir", agent.stateDir])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        new RegExp(
          `^UNSUPPORTED: task served belongs to a Nomad agent\nhint: Use nomad alloc ${verb} \\w{8}$`,
          "m",
        ),
      ),
    });
  }
  expect((await call(["signal", "served", "KILL", "--state-dir", agent.stateDir])).code).toBe(0);
  expect((await call(["wait", "served", "--state-dir", agent.stateDir])).code).toBe(137);
});

it("all verbs take the label of an instance, refuse a name of two tasks, and take no empty name", async () => {
  const stateDir = temporaryFolder();
  const job = jobFileOf(`job "shop" {
  group "servers" {
    count = 2
    task "server" {
      driver = "exec2"
      config {
        command = "sh"
        args    = ["-c", "trap 'echo got HUP' HUP; echo up; while :; do sleep 0.1; done"]
      }
    }
  }
}
`);
  const run = start(["run", "--state-dir", stateDir, job]);
  await Promise.all([run.seen("server[0] | up"), run.seen("server[1] | up")]);
  const verb = (name: string, ...args: string[]) => call([name, ...args, "--state-dir", stateDir]);
  // Of each way in which verbs look for a task, one.
  const everyVerb = (task: string) =>
    Promise.all([
      ...["stop", "wait", "why"].map((name) => verb(name, task)),
      call(["exec", "--state-dir", stateDir, task, "true"]),
    ]);
  for (const { code, stderr } of await everyVerb("")) {
    expect(code).not.toBe(0);
    expect(stderr).toBe("TASK_NOT_FOUND: the name of the task is empty\n");
  }
  for (const { code, stderr } of await everyVerb("server")) {
    expect(code).not.toBe(0);
    expect(stderr).toMatch(
      /^TASK_AMBIGUOUS: 2 running tasks match server:\n( {2}\w{8}\/server of job shop, .*\n){2}hint: /,
    );
  }
  expect((await verb("signal", "server[1]", "HUP")).code).toBe(0);
  await run.seen("server[1] | got HUP");
  expect(await verb("stop", "server[1]", "--signal", "KILL")).toEqual({ code: 0, stdout: "", stderr: "" });
  expect((await verb("wait", "server[1]")).code).toBe(137);
  expect((await verb("why", "server[1]")).stdout).toContain("SIGKILL");
  expect((await verb("stop", "server")).code).toBe(0);
  expect((await run.ended).code).toBe(137);
  expect((await verb("why", "server")).stderr).toMatch(/^TASK_AMBIGUOUS: 2 tasks match server:/);
  expect((await verb("events", "server[0]")).stdout).toContain("exited");
}, 120_000);
