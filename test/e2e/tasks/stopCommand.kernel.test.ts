import { describe, expect, test } from "vitest";
import { readyTask, startAgent, startedTask, waitTask } from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { readLog } from "../../support/agent/logReader.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";

const longTime = { seconds: 600, nanos: 0 };
/** A fifth of it is kept for the signal. */
const shortTime = { seconds: 2, nanos: 0 };

/** A task that says which signal it gets, and ends at SIGUSR1 and SIGINT. */
const script = `
  trap 'echo asked; exit 7' USR1
  trap 'echo interrupted; exit 3' INT
  echo $$ > $NOMAD_TASK_DIR/pid
  echo up
  while :; do sleep 1000 & wait $!; done`;
const command = (...stop_command: string[]) => ({ command: "sh", args: ["-c", script], stop_command });
const ask = "kill -USR1 $(cat $NOMAD_TASK_DIR/pid)";

const agent = await startAgent();

async function stopped(stopCommand: readonly string[], timeout = longTime, plugin = agent) {
  const { allocation, config } = await readyTask(plugin, command(...stopCommand));
  await plugin.driver.stopTask({ taskId: config.id, timeout, signal: "" });
  const result = await waitTask(plugin, config);
  const events = await eventsOf(plugin.stateDir, config.id);
  const types = events.map(({ type }) => type);
  const outcome = events.find(({ type }) => type === "stopCommandEnded")?.data;
  expect(allocation.cgroup.processes()).toEqual([]);
  return { allocation, result, types: types.slice(types.indexOf("stopRequested")), outcome };
}

describe("a stop command", () => {
  test("that succeeds is the whole stop: the task ends by itself, without a signal", async () => {
    const { allocation, result, types, outcome } = await stopped([
      "sh",
      "-c",
      `${ask}; echo done; echo oops >&2`,
    ]);
    expect(result).toMatchObject({ exitCode: 7, signal: 0 });
    expect(types).not.toContain("signalled");
    // The command may still be ending when the task has ended.
    expect(outcome).toMatchObject({ reason: expect.stringMatching(/^(ended|taskEnded)$/) });
    expect(await allocation.stdout.text()).toContain("asked\n");
  });

  test("has the task's user, environment, folder and sandbox, and its output is in the task's log", async () => {
    const look = "id -u; pwd; echo $NOMAD_TASK_NAME; cat /etc/shadow; exit 9";
    const { allocation, outcome } = await stopped(["sh", "-c", look]);
    expect(outcome).toEqual({
      reason: "ended",
      end: { exitCode: 9, signal: 0 },
      error: null,
      limitMs: 595_000,
    });
    const { uid } = allocation.user;
    const text = await allocation.stdout.text();
    expect(text).toContain(`up\n${uid}\n${allocation.taskFolder}\nmain\n`);
    expect(await allocation.stderr.text()).toMatch(/shadow/);
  });

  test("that fails is followed by the signal at once", async () => {
    const { result, types } = await stopped(["false"]);
    expect(result).toMatchObject({ exitCode: 3 });
    expect(types.filter((type) => type === "stopCommandEnded" || type === "signalled")).toEqual([
      "stopCommandEnded",
      "signalled",
    ]);
  });

  test("that is missing is followed by the signal at once, and the task's log says so", async () => {
    const { allocation, result, outcome } = await stopped(["no-such-program"]);
    expect(result).toMatchObject({ exitCode: 3 });
    expect(outcome).toMatchObject({ reason: "ended", end: { exitCode: 127 } });
    expect(await allocation.stderr.text()).toMatch(/^stop_command: .*COMMAND_NOT_FOUND: .*no-such-program/m);
  });

  test("that takes too long is killed, and the signal goes out with what is left of the timeout", async () => {
    const { result, outcome, types } = await stopped(["sleep", "1000"], shortTime);
    expect(outcome).toEqual({ reason: "timedOut", end: null, error: null, limitMs: 1_600 });
    expect(result).toMatchObject({ exitCode: 3 });
    expect(types).toContain("signalled");
    expect(types).not.toContain("stopTimedOut");
  });

  test("that succeeds although the task goes on is followed by the signal before the timeout", async () => {
    const { result, types } = await stopped(["true"], shortTime);
    expect(result).toMatchObject({ exitCode: 3 });
    expect(types).not.toContain("stopTimedOut");
  });

  test("is killed with the task, if the task ends first", async () => {
    const { result, outcome, types } = await stopped(["sh", "-c", `${ask}; exec sleep 1000`]);
    expect(result).toMatchObject({ exitCode: 7 });
    expect(outcome).toMatchObject({ reason: "taskEnded", end: null });
    expect(types).not.toContain("signalled");
  });

  test("runs once for two stops, and the second one sends no signal meanwhile", async () => {
    const slow = `echo asking; read -r _ < $NOMAD_TASK_DIR/gate; ${ask}`;
    const allocation = makeAllocation();
    const open = allocation.gate();
    const { config } = await readyTask(agent, command("sh", "-c", slow), allocation);
    const stop = () => agent.driver.stopTask({ taskId: config.id, timeout: longTime, signal: "" });
    const first = stop();
    await allocation.stdout.contains("asking\n");
    const second = stop();
    await eventually(async () => {
      const events = await eventsOf(agent.stateDir, config.id);
      expect(events.filter(({ type }) => type === "stopRequested")).toHaveLength(2);
    });
    open();
    await Promise.all([first, second]);
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 7 });
    expect((await allocation.stdout.text()).match(/asking/g)).toHaveLength(1);
  });

  test("does not run without a timeout", async () => {
    const { outcome, types } = await stopped(["true"], { seconds: 0, nanos: 0 });
    expect(outcome).toMatchObject({ reason: "timedOut", limitMs: 0 });
    expect(types).not.toContain("execStarted");
  });

  test("writes to the driver's own log files, too", async () => {
    const own = await startAgent({ options: { log_collection: "driver" } });
    const log = ({ folder, taskName }: Allocation) =>
      readLog({ folder: `${folder}/alloc/logs`, task: taskName, stream: "stdout" }).toString();
    const { allocation, config } = await startedTask(own, command("sh", "-c", "echo farewell; exit 1"));
    await eventually(() => expect(log(allocation)).toBe("up\n"));
    await own.driver.stopTask({ taskId: config.id, timeout: longTime, signal: "" });
    await waitTask(own, config);
    expect(log(allocation)).toBe("up\nfarewell\ninterrupted\n");
  });
});

describe("a stop whose plugin is killed while the command runs", () => {
  test("is forgotten, and the next stop runs the command again", async () => {
    const first = await startAgent();
    // The first command waits for ever, the second one asks the task to stop.
    const once = `if mkdir $NOMAD_TASK_DIR/first; then echo first; exec sleep 1000; else ${ask}; fi`;
    const { allocation, config, handle, pid } = await readyTask(first, command("sh", "-c", once));
    const lost = first.driver
      .stopTask({ taskId: config.id, timeout: longTime, signal: "" })
      .catch(() => "lost");
    await allocation.stdout.contains("first\n");
    await first.crash();
    expect(await lost).toBe("lost");
    const next = await startAgent({ stateDir: first.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    expect(allocation.cgroup.processes()).toContain(pid);
    await next.driver.stopTask({ taskId: config.id, timeout: longTime, signal: "" });
    expect(await waitTask(next, config)).toMatchObject({ exitCode: 7 });
    expect(allocation.cgroup.processes()).toEqual([]);
    const types = (await eventsOf(next.stateDir, config.id)).map(({ type }) => type);
    expect(types.filter((type) => type === "stopRequested" || type === "recovered")).toEqual([
      "stopRequested",
      "recovered",
      "stopRequested",
    ]);
    expect(types).not.toContain("signalled");
  });
});
