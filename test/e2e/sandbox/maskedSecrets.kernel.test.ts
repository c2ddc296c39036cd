/**
 * Feeds values of a task's environment into everything that the driver takes from a task, and searches for them
 * wherever it writes. Beside each secret is a value of a variable that counts as public: it is found, which shows
 * that the channel leads there.
 */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Agent, newStateDir, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { filesHolding, holds } from "../../support/host/secretSearch.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call } from "../../support/screen/commandLine.ts";

const secret = 'kV3/value "of" a+secret=9xQ';
const token = "tok-5fQ8-Zz31";
/** What stands for a value. */
const referTo = (name: string) => `\${${name}}`;
/** The driver writes the log files, so it reads all of a task's output after its end. */
const options = { log_collection: "driver", black_box: "on", unveil_by_task: true };
const env = { DB_PASSWORD: secret, TOKEN: token, NOMAD_JOB_NAME: "public-6hW2" };

/** Ways in which a task that fails gives the driver a text. `$TEXT` is a secret or the public text. */
const failures: Readonly<Record<string, string>> = {
  "a line with a known error": 'echo "cannot open /nosuch/$TEXT: No such file or directory" >&2; exit 1',
  "the last line": 'echo "gave up at $TEXT" >&2; exit 3',
  "the last line, in base64": 'echo "gave up at $(printf %s "x$TEXT" | base64 -w0)" >&2; exit 3',
  "the last line, in an address":
    'echo "gave up at https://a/?q=$(printf %s "$TEXT" | python3 -c "import sys,urllib.parse as u;print(u.quote(sys.stdin.read(),safe=str()))")" >&2; exit 3',
  "the last line, in JSON":
    'printf %s "$TEXT" | python3 -c "import sys,json;print(json.dumps(dict(gave=sys.stdin.read())))" >&2; exit 3',
  "a path that is not there": 'cat "/nosuch/$TEXT" 2>/dev/null; exit 4',
  "a host name":
    'echo "curl: (6) Could not resolve host: $(printf %s "$TEXT" | tr -dc "a-zA-Z0-9-")" >&2; exit 6',
  "the name of a process": `printf '#!/bin/sh\\nkill -SEGV $$\\n' > local/$(printf %s "$TEXT" | tr -dc "a-zA-Z0-9-")
    chmod +x local/*; local/$(printf %s "$TEXT" | tr -dc "a-zA-Z0-9-"); exit 5`,
};

const views = (id: string) => [
  ["why", id],
  ["events", "--json", id],
];

async function shownBy(agent: Agent, args: readonly string[]): Promise<string> {
  const { stdout, code } = await call([...args, "--state-dir", agent.stateDir]);
  expect(code, args.join(" ")).toBe(0);
  return stdout;
}

describe("what the driver writes of a failure", () => {
  test("has no value of the task's environment, whatever channel it came by", {
    timeout: 240_000,
  }, async () => {
    const socket = join(temporaryFolder(), "metrics.sock");
    const agent = await startAgent({ options: { ...options, metrics: socket } });
    const { messages } = collect(agent.driver.taskEvents({}));
    const found: Record<string, boolean> = {};
    let shown = "";
    for (const [channel, script] of Object.entries(failures)) {
      for (const name of ["DB_PASSWORD", "TOKEN", "NOMAD_JOB_NAME"]) {
        const publicText = `public-${randomUUID().slice(0, 8)}`;
        const config = makeAllocation().config(`cd ..; TEXT=$${name}; ${script}`, {
          env: { ...env, NOMAD_JOB_NAME: publicText },
        });
        await startTask(agent, config);
        await waitTask(agent, config);
        await agent.driver.destroyTask({ taskId: config.id, force: true });
        if (name === "NOMAD_JOB_NAME")
          found[channel] = holds(JSON.stringify(await eventsOf(agent.stateDir, config.id)), publicText);
        else if (channel === "a line with a known error")
          for (const args of views(config.id)) shown += await shownBy(agent, args);
      }
    }
    shown += await shownBy(agent, ["export", "--all", "--show-args"]);
    expect(found).toEqual(Object.fromEntries(Object.keys(failures).map((channel) => [channel, true])));
    const metrics = execFileSync("curl", ["--silent", "--unix-socket", socket, "http://localhost/metrics"]);
    await agent.close();
    for (const each of [secret, token]) {
      expect(filesHolding(agent.stateDir, each)).toEqual([]);
      expect(shown.split("\n").filter((line) => holds(line, each))).toEqual([]);
      expect(holds(metrics, each)).toBe(false);
      expect(holds(JSON.stringify(messages), each)).toBe(false);
      expect(agent.stderrLines.filter((line) => holds(line, each))).toEqual([]);
    }
  });

  test("has none in arguments, paths and refused starts either", async () => {
    const agent = await startAgent({ options });
    const refused = [
      { command: `/nosuch/${token}` },
      { command: "true", unveil: [`r:/nosuch/${token}`] },
      { command: "true", work_dir: `/nosuch/${token}` },
      { command: "true", unveil: [`bad:/nosuch/${token}`] },
      { command: "true", cap_add: [token] },
    ];
    for (const command of refused) {
      const error = await startTask(agent, makeAllocation().config(command, { env })).then(
        () => "it was started",
        (thrown) => JSON.stringify([thrown.message, thrown.details, thrown.metadata.toJSON()]),
      );
      expect(error).toContain(referTo("TOKEN"));
      expect(holds(error, token)).toBe(false);
    }
    const allocation = makeAllocation();
    const config = allocation.config(
      { command: "sh", args: ["-c", `: ${secret}; exit 3`], unveil: ["r:/etc"] },
      { env },
    );
    await startTask(agent, config);
    await waitTask(agent, config);
    const [requested] = await eventsOf(agent.stateDir, config.id);
    expect(requested?.data).toMatchObject({
      options: { args: ["-c", `: ${referTo("DB_PASSWORD")}; exit 3`] },
    });
    await agent.close();
    for (const each of [secret, token]) {
      expect(filesHolding(agent.stateDir, each)).toEqual([]);
      expect(agent.stderrLines.filter((line) => holds(line, each))).toEqual([]);
    }
  });
});

describe("a stop command", () => {
  const stop = [
    "sh",
    "-c",
    `printf %s '${secret}' > $NOMAD_TASK_DIR/got; kill -USR1 $(cat $NOMAD_TASK_DIR/pid)`,
  ];
  const script =
    "trap 'exit 7' USR1; echo $$ > $NOMAD_TASK_DIR/pid; touch $NOMAD_TASK_DIR/up; while :; do sleep 1000 & wait $!; done";

  test.each(["the same plugin", "the next plugin"])(
    "gets the values that its history lacks, from %s",
    async (whose) => {
      const stateDir = newStateDir();
      const agent = await startAgent({ stateDir, options });
      const allocation = makeAllocation();
      const config = allocation.config({ command: "sh", args: ["-c", script], stop_command: stop }, { env });
      const handle = await startTask(agent, config);
      await eventually(() => expect(existsSync(`${allocation.taskFolder}/local/up`)).toBe(true));
      let plugin = agent;
      if (whose === "the next plugin") {
        await agent.crash();
        plugin = await startAgent({ stateDir, options });
        await plugin.driver.recoverTask({ taskId: "", handle });
      }
      await plugin.driver.stopTask({ taskId: config.id, timeout: { seconds: 600, nanos: 0 }, signal: "" });
      expect(await waitTask(plugin, config)).toMatchObject({ exitCode: 7 });
      expect(readFileSync(`${allocation.taskFolder}/local/got`, "utf8")).toBe(secret);
      await plugin.close();
      expect(filesHolding(stateDir, secret)).toEqual([]);
    },
  );
});

describe("of a task that another plugin has started, the log has", () => {
  const fails = (text: string) => `echo "cannot open /nosuch/${text}: No such file or directory" >&2; exit 1`;

  async function causeOf(script: string, isThere: boolean) {
    const stateDir = newStateDir();
    const agent = await startAgent({ stateDir, options });
    const allocation = makeAllocation();
    const open = allocation.gate();
    const config = allocation.config(script, { env });
    const handle = await startTask(agent, config);
    await eventually(() => expect(existsSync(`${allocation.taskFolder}/local/up`)).toBe(true));
    await agent.crash();
    if (!isThere) {
      open();
      await expect.poll(() => allocation.cgroup.processes(), { timeout: 30_000 }).toEqual([]);
    }
    const next = await startAgent({ stateDir, options });
    await next.driver.recoverTask({ taskId: "", handle });
    if (isThere) open();
    await waitTask(next, config);
    await next.driver.destroyTask({ taskId: config.id, force: true });
    const events = await eventsOf(stateDir, config.id);
    await next.close();
    expect(filesHolding(stateDir, token)).toEqual([]);
    const exited = events.find(({ type }) => type === "exited")?.data as {
      readonly cause: { readonly kind: string; readonly text: string; readonly line: string | null };
    };
    return exited.cause;
  }

  const waits = "read -r _ < $NOMAD_TASK_DIR/gate";

  test("the cause with masked values, if its environment can be read", async () => {
    const cause = await causeOf(`touch $NOMAD_TASK_DIR/up; ${waits}; ${fails("$TOKEN")}`, true);
    expect(cause).toMatchObject({
      grade: "words",
      line: expect.stringContaining(`/nosuch/${referTo("TOKEN")}`),
    });
  });

  test.each([
    [
      "has overwritten its environment",
      `exec env -u TOKEN sh -c 'touch $NOMAD_TASK_DIR/up; ${waits}; ${fails(token)}'`,
      true,
    ],
    ["has ended meanwhile", `touch $NOMAD_TASK_DIR/up; ${waits}; ${fails("$TOKEN")}`, false],
  ])("nothing of its output, if it %s", async (_, script, isThere) => {
    const cause = await causeOf(script, isThere);
    expect(cause).toMatchObject({ kind: "unknown", line: null });
  });
});
