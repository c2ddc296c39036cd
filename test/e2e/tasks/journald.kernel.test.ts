/** Tasks whose output a real systemd-journald takes. */
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import {
  type Agent,
  newStateDir,
  runTask,
  startAgent,
  startedTask,
  startTask,
  waitTask,
} from "../../support/agent/agent.ts";
import { type Allocation, type Command, makeAllocation } from "../../support/agent/allocation.ts";
import { loggersOf } from "../../support/agent/loggers.ts";
import { readLog } from "../../support/agent/logReader.ts";
import { expectRefusal, startWarmAgent } from "../../support/agent/refusal.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { hasJournald, Journal, requireJournald, startJournal } from "../../support/host/journal.ts";

// Without limits on the rate, but where a test sets them.
const journal = new Journal(["RateLimitIntervalSec=0"]);
const optionsFor = ({ namespace }: Journal) => ({
  log_collection: "journald",
  journal_namespace: namespace,
});
let agent: Agent;
beforeAll(async () => {
  if (!hasJournald()) return;
  await journal.start();
  agent = await startAgent({ options: optionsFor(journal) });
});
afterAll(() => journal.remove());
beforeEach((context) => requireJournald(context));

const unitOf = ({ cgroup }: Allocation) => cgroup.path.slice(cgroup.path.lastIndexOf("/") + 1);
const linesOf = (allocation: Allocation, of = journal) => of.messages(`_SYSTEMD_UNIT=${unitOf(allocation)}`);
const relaysOf = ({ cgroup }: Allocation) => loggersOf(cgroup.processes());
const fileOf = ({ folder, taskName: task }: Allocation, stream: "stdout" | "stderr" = "stdout") =>
  readLog({ folder: `${folder}/alloc/logs`, task, stream }).toString();

async function typesOf({ id }: { readonly id: string }, { stateDir } = agent): Promise<string[]> {
  return (await eventsOf(stateDir, id)).map(({ type }) => type);
}

describe("the output of a task", () => {
  test("is in the journal in order, under its job, task and cgroup, and no line chooses its priority", async () => {
    const allocation = makeAllocation();
    const script = "echo one; echo two >&2; echo three; echo '<0>four'; printf 'no newline'";
    expect(await runTask(agent, allocation.config(script))).toMatchObject({ exitCode: 0 });
    const entries = journal.entries("-t", "job.main", `_SYSTEMD_UNIT=${unitOf(allocation)}`);
    expect(entries.map(({ MESSAGE, PRIORITY }) => [MESSAGE, PRIORITY])).toEqual([
      ["one", "6"],
      ["two", "6"],
      ["three", "6"],
      ["<0>four", "6"],
      ["no newline", "6"],
    ]);
    expect(allocation.cgroup.processes()).toEqual([]);
    allocation.cgroup.removeAsAgent();
  });

  test("can be opened again as /dev/stdout and /dev/stderr", async () => {
    const allocation = makeAllocation();
    const script = "echo one > /dev/stdout; echo two >> /dev/stderr; echo three > /proc/self/fd/1";
    expect(await runTask(agent, allocation.config(script))).toMatchObject({ exitCode: 0 });
    expect(linesOf(allocation)).toEqual(["one", "two", "three"]);
  });

  test("is complete when the end is told, however much it is, and however short the task", async () => {
    const many = makeAllocation();
    const lines = Array.from({ length: 20_000 }, (_, index) => String(index + 1));
    expect(await runTask(agent, many.config("seq 1 20000"))).toMatchObject({ exitCode: 0 });
    await eventually(() => expect(linesOf(many)).toEqual(lines));
    const short = Array.from({ length: 20 }, () => makeAllocation());
    await Promise.all(short.map((each) => runTask(agent, each.config({ command: "echo", args: [each.id] }))));
    for (const each of short) await eventually(() => expect(linesOf(each)).toEqual([each.id]));
  });

  test("shows neither its arguments nor its environment in any field", async () => {
    const allocation = makeAllocation();
    const command = { command: "sh", args: ["-c", "echo up", "sh", "argument-5up3r"] };
    const config = allocation.config(command, { env: { PASSWORD: "variable-5up3r" } });
    expect(await runTask(agent, config)).toMatchObject({ exitCode: 0 });
    const entries = journal.entries(`_SYSTEMD_UNIT=${unitOf(allocation)}`);
    expect(entries.length).toBe(1);
    expect(JSON.stringify(entries)).not.toContain("5up3r");
    expect(entries[0]).toMatchObject({ _COMM: "exec2-log", _CAP_EFFECTIVE: "0" });
  });

  test("leaves one line in the log files that says where it is, also after a restart", async () => {
    const allocation = makeAllocation();
    const line = `[exec2: the output of this task is in journald: journalctl --namespace=${journal.namespace} -t job.main _SYSTEMD_UNIT=${unitOf(allocation)}]\n`;
    for (const word of ["one", "two"])
      expect(await runTask(agent, allocation.config(`echo ${word}`))).toMatchObject({ exitCode: 0 });
    expect(fileOf(allocation)).toBe(line);
    await eventually(() => expect(linesOf(allocation)).toEqual(["one", "two"]));
  });

  test("leaves this line with the agent's collector, where the agent collects", async () => {
    const { log_collection, ...others } = optionsFor(journal);
    const collecting = await startAgent({ options: { ...others, allow_journald: true } });
    const allocation = makeAllocation();
    const config = allocation.config({ command: "echo", args: ["kept"], log_collection });
    expect(await runTask(collecting, config)).toMatchObject({ exitCode: 0 });
    expect(await allocation.stdout.text()).toMatch(
      /^\[exec2: the output of this task is in journald: .*\]\n$/,
    );
    expect(await allocation.stderr.text()).toBe("");
    await eventually(() => expect(linesOf(allocation)).toEqual(["kept"]));
  });

  test("has that of its stop command, and not that of a command of alloc exec", async () => {
    const allocation = makeAllocation();
    allocation.gate();
    const script = 'trap "echo end; exit 0" TERM; echo up; read -r _ < "$NOMAD_TASK_DIR/gate"';
    const command = { command: "sh", args: ["-c", script], stop_command: ["echo", "stopping"] };
    const { config } = await startedTask(agent, command, allocation);
    await eventually(() => expect(linesOf(allocation)).toEqual(["up"]));
    const { stdout } = await agent.driver.execTask({
      ...{ taskId: config.id, command: ["echo", "from exec"], timeout: { seconds: 10, nanos: 0 } },
    });
    expect(stdout.toString()).toBe("from exec\n");
    await agent.driver.stopTask({ taskId: config.id, timeout: { seconds: 2, nanos: 0 }, signal: "SIGTERM" });
    await waitTask(agent, config);
    await eventually(() => expect(linesOf(allocation)).toEqual(["up", "stopping", "end"]));
  });

  test("tells nothing of a failure's cause, which the driver looks for in log files", async () => {
    const allocation = makeAllocation();
    const config = allocation.config("echo 'No space left on device' >&2; exit 1");
    expect(await runTask(agent, config)).toMatchObject({ exitCode: 1 });
    const exited = (await eventsOf(agent.stateDir, config.id)).find(({ type }) => type === "exited")?.data;
    expect(JSON.stringify(exited)).not.toMatch(/No space|in journald/);
  });

  test.each([
    ["another pid namespace's", {}],
    ["the host's pid namespace", { pid_mode: "host" }],
  ])("of a task in %s is relayed from the task's own cgroup", async (_, options) => {
    const mine = await startAgent({ options: { ...optionsFor(journal), allow_host_pid: true } });
    const allocation = makeAllocation();
    const gate = allocation.gate();
    const command: Command = {
      ...{ command: "sh", args: ["-c", 'echo up; read -r _ < "$NOMAD_TASK_DIR/gate"'], ...options },
    };
    const { config } = await startedTask(mine, command, allocation);
    await eventually(() => expect(relaysOf(allocation).length).toBe(1));
    gate();
    expect(await waitTask(mine, config)).toMatchObject({ exitCode: 0 });
    expect(linesOf(allocation)).toEqual(["up"]);
    allocation.cgroup.removeAsAgent();
  });
});

describe("a task that goes on", () => {
  const begin = 'echo one; read -r _ < "$NOMAD_TASK_DIR/gate"; echo two';

  test("when its plugin dies, and the next takes it over", async () => {
    const stateDir = newStateDir();
    const before = await startAgent({ stateDir, options: optionsFor(journal) });
    const allocation = makeAllocation();
    const gate = allocation.gate();
    const { config, handle } = await startedTask(before, begin, allocation);
    await before.crash();
    const after = await startAgent({ stateDir, options: optionsFor(journal) });
    await after.driver.recoverTask({ taskId: "", handle });
    gate();
    expect(await waitTask(after, config)).toMatchObject({ exitCode: 0 });
    await eventually(() => expect(linesOf(allocation)).toEqual(["one", "two"]));
    allocation.cgroup.removeAsAgent();
  });

  test("when its relay is killed, and another takes over what waits", async () => {
    const allocation = makeAllocation();
    const gate = allocation.gate();
    const { config } = await startedTask(agent, `${begin}; seq 1 30000`, allocation);
    await eventually(() => expect(linesOf(allocation)).toEqual(["one"]));
    const [relay = 0, ...others] = relaysOf(allocation);
    expect(others).toEqual([]);
    process.kill(relay, "SIGKILL");
    gate();
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 0 });
    const numbers = Array.from({ length: 30_000 }, (_, index) => String(index + 1));
    await eventually(() => expect(linesOf(allocation)).toEqual(["one", "two", ...numbers]));
    expect(await typesOf(config)).toContain("loggerReplaced");
    allocation.cgroup.removeAsAgent();
  });

  test("and ends without relay and plugin: its log files say that the end of its output may be missing", async () => {
    const stateDir = newStateDir();
    const before = await startAgent({ stateDir, options: optionsFor(journal) });
    const allocation = makeAllocation();
    const gate = allocation.gate();
    const { config, handle } = await startedTask(before, begin, allocation);
    await eventually(() => expect(linesOf(allocation)).toEqual(["one"]));
    await before.crash();
    for (const relay of relaysOf(allocation)) process.kill(relay, "SIGKILL");
    gate();
    await allocation.cgroup.empty();
    const after = await startAgent({ stateDir, options: optionsFor(journal) });
    await after.driver.recoverTask({ taskId: "", handle });
    expect(await waitTask(after, config)).toMatchObject({ exitCode: 0 });
    expect(fileOf(allocation)).toMatch(
      /^\[exec2: the output of this task is in journald: .*\]\n\[exec2: the end of this output may be missing: the process that passed it to journald was killed\]\n$/,
    );
  });

  test("when journald is killed and started again, without a signal, and says that its output waits", async (context) => {
    const mine = await startJournal(context);
    const plugin = await startAgent({ options: optionsFor(mine) });
    const allocation = makeAllocation();
    const gate = allocation.gate();
    const script = `${begin}; read -r _ < "$NOMAD_TASK_DIR/gate"; echo three`;
    const { config } = await startedTask(plugin, script, allocation);
    await eventually(() => expect(linesOf(allocation, mine)).toEqual(["one"]));
    await mine.kill();
    await eventually(async () => expect(await typesOf(config, plugin)).toContain("outputWaits"));
    gate();
    await mine.start();
    const waits = async () => (await typesOf(config, plugin)).filter((type) => type === "outputWaits");
    await eventually(async () => expect((await waits()).length).toBe(2));
    gate();
    expect(await waitTask(plugin, config)).toMatchObject({ exitCode: 0, signal: 0 });
    await eventually(() => expect(linesOf(allocation, mine)).toEqual(["one", "two", "three"]));
    expect(await typesOf(config, plugin)).toContain("loggerReplaced");
  });

  test("until it ends while journald does not run: what waited is counted as lost", async (context) => {
    const mine = await startJournal(context);
    const plugin = await startAgent({ options: optionsFor(mine) });
    const allocation = makeAllocation();
    const gate = allocation.gate();
    const { config } = await startedTask(plugin, begin, allocation);
    await eventually(() => expect(linesOf(allocation, mine)).toEqual(["one"]));
    await mine.kill();
    await eventually(async () => expect(await typesOf(config, plugin)).toContain("outputWaits"));
    gate();
    expect(await waitTask(plugin, config)).toMatchObject({ exitCode: 0 });
    const lost = (await eventsOf(plugin.stateDir, config.id)).find(({ type }) => type === "outputLost")?.data;
    expect(lost).toEqual({ stdout: 4, stderr: 0, errno: null });
  });

  test("once journald goes on that was stopped; meanwhile it waits, which is told", async (context) => {
    const mine = await startJournal(context, ["RateLimitIntervalSec=0"]);
    const plugin = await startAgent({ options: optionsFor(mine) });
    const allocation = makeAllocation();
    const gate = allocation.gate();
    // More than a pipe and a socket hold.
    const { config } = await startedTask(plugin, `${begin}; seq 1 80000`, allocation);
    await eventually(() => expect(linesOf(allocation, mine)).toEqual(["one"]));
    mine.signal("SIGSTOP");
    gate();
    await eventually(async () => expect(await typesOf(config, plugin)).toContain("outputWaits"));
    mine.signal("SIGCONT");
    expect(await waitTask(plugin, config)).toMatchObject({ exitCode: 0 });
    await eventually(() => expect(linesOf(allocation, mine).length).toBe(80_002));
    const waits = (await eventsOf(plugin.stateDir, config.id)).filter(({ type }) => type === "outputWaits");
    expect(waits.map(({ data }) => data)).toEqual([{ waits: true }, { waits: false }]);
  });

  test("ends although journald is stopped, and what is lost is told", async (context) => {
    const mine = await startJournal(context, ["RateLimitIntervalSec=0"]);
    const plugin = await startAgent({ options: optionsFor(mine) });
    const allocation = makeAllocation();
    mine.signal("SIGSTOP");
    onTestFinished(() => mine.signal("SIGCONT"));
    const { config } = await startedTask(plugin, "head -c 300000 /dev/zero | tr '\\0' x; echo", allocation);
    await eventually(async () => expect(await typesOf(config, plugin)).toContain("outputWaits"));
    await plugin.driver.stopTask({ taskId: config.id, timeout: { seconds: 0, nanos: 0 }, signal: "SIGKILL" });
    expect(await waitTask(plugin, config)).toMatchObject({ signal: 9 });
    const lost = (await eventsOf(plugin.stateDir, config.id)).find(({ type }) => type === "outputLost")?.data;
    expect(lost).toMatchObject({ stderr: 0, errno: null });
    expect((lost as { stdout: number }).stdout).toBeGreaterThan(0);
    allocation.cgroup.removeAsAgent();
  });
});

describe("a start is refused", () => {
  test("if there is no such journal on the node", async () => {
    const allocation = makeAllocation();
    const none = await startAgent({ options: { ...optionsFor(journal), journal_namespace: "exec2-none" } });
    await expectRefusal(none, allocation.config("echo never"), {
      ...{ code: "JOURNAL_UNAVAILABLE", text: /exec2-none\/stdout does not exist on this node/ },
      recoverable: false,
    });
    expect(fileOf(allocation, "stderr")).toMatch(/^nomad-driver-exec2: JOURNAL_UNAVAILABLE/);
  });

  test("for the moment, if journald does not run", async (context) => {
    const dead = await startJournal(context);
    const plugin = await startWarmAgent({ options: optionsFor(dead) });
    await dead.kill();
    await expectRefusal(plugin, makeAllocation().config("echo never"), {
      ...{ code: "JOURNAL_UNAVAILABLE", text: /has no listener/, recoverable: true },
    });
  });

  test("if the client does not allow it", async () => {
    const config = makeAllocation().config({ command: "true", log_collection: "journald" });
    const plugin = await startAgent();
    await expect(startTask(plugin, config)).rejects.toThrow(/set allow_journald = true/);
  });

  test("and leaves nothing in the task's cgroup if the command cannot be executed", async (context) => {
    // One of its own: that of the other tests may have ended meanwhile, as it does when it has long been idle.
    const own = await startJournal(context);
    const plugin = await startWarmAgent({ options: optionsFor(own) });
    const allocation = makeAllocation();
    const config = allocation.config({ command: "sh", args: ["-c", "x".repeat(200_000)] });
    await expect(startTask(plugin, config)).rejects.toThrow();
    allocation.cgroup.removeAsAgent();
  });
});
