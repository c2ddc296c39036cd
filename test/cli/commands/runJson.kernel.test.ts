/** `run --json` and `wait --json`: a line for each event, for programs. */
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, jobFileOf, shellJob, start } from "../../support/screen/commandLine.ts";

type Event = Readonly<Record<string, unknown>>;

const eventsIn = (text: string) =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Event);

const run = async (...args: string[]) => {
  const { code, stdout, stderr } = await call(["run", "--json", "--state-dir", temporaryFolder(), ...args]);
  const events = eventsIn(stdout);
  for (const { time } of events) expect(new Date(String(time)).toISOString()).toBe(time);
  return { code, stderr, events: events.map(({ time: _, ...event }) => event) };
};

/** The events of one kind. */
const of = (events: readonly Event[], kind: string) => events.filter(({ event }) => event === kind);

describe("run --json", () => {
  it("prints the output, the end and the reason of the exit code", async () => {
    const script = "printf 'a\\nb\\033[31m'; echo bad >&2; exit 3";
    const { code, stderr, events } = await run(shellJob(script));
    expect([code, stderr]).toEqual([3, ""]);
    const id = expect.stringMatching(/^[0-9a-f-]{36}\/task\/[0-9a-f]{8}$/);
    expect(of(events, "started")).toEqual([{ event: "started", task: "task", id }]);
    expect(of(events, "output")).toHaveLength(3);
    expect(of(events, "output")).toEqual(
      expect.arrayContaining([
        { event: "output", task: "task", stream: "stdout", text: "a" },
        { event: "output", task: "task", stream: "stdout", text: "b\x1b[31m" },
        { event: "output", task: "task", stream: "stderr", text: "bad" },
      ]),
    );
    expect(of(events, "ended")).toEqual([
      { event: "ended", task: "task", id, exitCode: 3, signal: 0, oomKilled: false, reason: "exited with 3" },
    ]);
    expect(events.at(-1)).toEqual({ event: "done", exitCode: 3, reason: "task exited with 3" });
  });

  it("prints what the driver stores, if it is verbose", async () => {
    const { code, events } = await run("-v", shellJob("true"));
    expect(code).toBe(0);
    const types = of(events, "stored").map(({ stored }) => (stored as Event).type);
    expect(types).toEqual(expect.arrayContaining(["requested", "started", "exited"]));
    expect(events.at(-1)).toEqual({ event: "done", exitCode: 0, reason: "all tasks have succeeded" });
  });

  it("prints the error of a start", async () => {
    const job = jobFileOf(
      'job "j" {\n group "g" {\n task "t" {\n driver = "exec2"\n config {\n command = "no-such-command"\n}\n}\n}\n}',
    );
    const { code, stderr, events } = await run(job);
    expect([code, stderr]).toEqual([127, ""]);
    expect(of(events, "error")).toMatchObject([
      { code: "COMMAND_NOT_FOUND", message: expect.stringContaining("task t: "), hint: expect.any(String) },
    ]);
    expect(events.at(-1)).toEqual({ event: "done", exitCode: 127, reason: "t failed" });
  });

  it("prints why it refuses a job", async () => {
    const job = jobFileOf(
      'job "j" {\n vault {}\n group "g" {\n task "t" {\n driver = "exec2"\n config {\n command = "true"\n}\n}\n}\n}',
    );
    const { code, stderr, events } = await run(job);
    expect([code, stderr]).toEqual([125, ""]);
    expect(events).toEqual([
      {
        event: "error",
        code: "JOB_NEEDS_CLUSTER",
        message: expect.stringContaining("job.j.vault: a local run has no Vault"),
        hint: "--skip vault goes on without it.",
      },
      { event: "done", exitCode: 125, reason: "run failed" },
    ]);
  });

  it("is not for --learn", async () => {
    const { code, stderr } = await call(["run", "--learn", "--json", shellJob("true")]);
    expect(code).toBe(125);
    expect(stderr).toContain("--json is not for run --learn");
  });
});

describe("wait --json", () => {
  it("prints the end of a task, when it has ended", async () => {
    const stateDir = temporaryFolder();
    const running = start(["run", "--state-dir", stateDir, shellJob("echo up; exec sleep 1000")]);
    await running.seen("up\n");
    const waiting = call(["wait", "--json", "task", "--state-dir", stateDir]);
    await call(["stop", "task", "--state-dir", stateDir, "--signal", "KILL"]);
    const { code, stdout } = await waiting;
    expect(code).toBe(137);
    expect(JSON.parse(stdout)).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      event: "ended",
      task: expect.stringMatching(/^[0-9a-f]{8}\/task$/),
      id: expect.stringMatching(/^[0-9a-f-]{36}\/task\/[0-9a-f]{8}$/),
      exitCode: 137,
      signal: 9,
      oomKilled: false,
      reason: "killed by SIGKILL",
    });
  });

  it("prints why a task never started", async () => {
    const stateDir = temporaryFolder();
    const job = jobFileOf(
      'job "j" {\n group "g" {\n task "t" {\n driver = "exec2"\n config {\n command = "no-such-command"\n}\n}\n}\n}',
    );
    await call(["run", "--state-dir", stateDir, job]);
    const { code, stdout } = await call(["wait", "--json", "t", "--state-dir", stateDir]);
    expect(code).toBe(125);
    expect(JSON.parse(stdout)).toMatchObject({
      time: null,
      exitCode: null,
      signal: null,
      reason: expect.stringMatching(/^COMMAND_NOT_FOUND: .*no-such-command/),
    });
  });
});
