/**
 * Searches for values of a task's environment wherever root could look: in the event log's file with its free
 * pages, in the state folder, in logs, in processes, and in what the inspector sends. Each search also looks
 * for a text that is there, which shows that the search works.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { InspectorServer } from "../../../src/inspector/server/server.ts";
import { type Agent, newStateDir, pidOf, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { ExecCall } from "../../support/agent/execCall.ts";
import { eventually } from "../../support/host/eventually.ts";
import { filesHolding, holds, memoryHolds, processesHolding } from "../../support/host/secretSearch.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { preparedBy } from "../../support/plugin/startPlugin.ts";
import { admission, get } from "../../support/screen/inspector.ts";

/** A value in the environment, which must not be found. It has characters that some encodings change. */
const secret = 'kV3/value "of" a+secret=9xQ';
/** An argument, which the event log has, but which no view shows. */
const argument = "an-argument-7Zp";
const env = { PASSWORD: secret };

const sleeping = (allocation: Allocation) =>
  allocation.config({ command: "sh", args: ["-c", `: ${argument}; sleep 1000 & wait`] }, { env });

test("the search finds a secret in every form", () => {
  // The base64 form depends on the number of bytes before the secret.
  for (const text of ["", "a", "ab"].map((before) => `${before}${secret}.`)) {
    for (const encoding of ["utf8", "utf16le"] as const)
      expect(holds(Buffer.from(text, encoding), secret)).toBe(true);
    for (const encoding of ["hex", "base64", "base64url"] as const) {
      expect(holds(Buffer.from(text).toString(encoding), secret), `${encoding} of ${text}`).toBe(true);
    }
    expect(holds(JSON.stringify({ text }), secret)).toBe(true);
    expect(holds(`?a=${encodeURIComponent(text)}`, secret)).toBe(true);
    expect(holds(text.replace("kV3", "kV4"), secret)).toBe(false);
  }
});

test("no written file holds a secret, not even in free pages of the event log", async () => {
  const agent = await startAgent();
  const handle = await startTask(agent, sleeping(makeAllocation()));
  expect(holds(Buffer.from(handle.driverState), secret)).toBe(false);
  // Each commit writes new pages and leaves the old ones unchanged, so the free pages have old data.
  const allocation = makeAllocation();
  for (const command of [{ command: "true", args: [argument] }, { command: "false" }]) {
    await runTask(agent, allocation.config(command, { env }));
  }
  await agent.close();

  expect(filesHolding(agent.stateDir, secret)).toEqual([]);
  expect(filesHolding(agent.stateDir, argument)).toEqual([`${agent.stateDir}/events/data.mdb`]);
  expect(agent.stderrLines.filter((line) => holds(line, secret) || holds(line, argument))).toEqual([]);
  expect(agent.stderrLines.filter((line) => holds(line, allocation.id))).not.toEqual([]);
});

test("no process holds a secret except those of the task and of commands that are run in it", async () => {
  const agent = await startAgent();
  const allocation = makeAllocation();
  const config = sleeping(allocation);
  await startTask(agent, config);
  const call = new ExecCall(agent, config.id, ["sh", "-c", "echo ready; sleep 1000"]);
  onTestFinished(() => call.cancel());
  await call.shows("ready");

  const task = await pidOf(agent, config);
  const init = Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${task}/status`, "utf8"))?.[1]);
  const cgroup = new Set(pidsBelow(allocation.cgroup.path).filter((pid) => pid !== init));
  expect(processesHolding(secret, "cmdline")).toEqual([]);
  expect(processesHolding(argument, "cmdline")).toEqual([task]);
  expect(processesHolding(secret, "environ").filter((pid) => !cgroup.has(pid))).toEqual([]);
  expect(processesHolding(secret, "environ")).toContain(task);
  expect(memoryHolds(task, secret)).toBe(true);
  expect(memoryHolds(init, secret)).toBe(false);
});

describe("no core dump is made", () => {
  const pattern = readFileSync("/proc/sys/kernel/core_pattern", "utf8").trim();
  const toFile = pattern === "core";
  if (!toFile) console.warn(`NOT TESTED: core dumps go to ${pattern} on this machine, not to files`);
  const coresIn = (folder: string) => readdirSync(folder).filter((name) => name.startsWith("core"));

  test.runIf(toFile)("of a plugin, even if its limit would allow one", async () => {
    const folder = temporaryFolder();
    const unlimited = preparedBy(`cd ${folder}; ulimit -c unlimited`);
    // For comparison, an ordinary program dumps core, and its core file has the secret.
    spawnSync("sh", ["-c", "ulimit -c unlimited; kill -ABRT $$"], {
      cwd: folder,
      env: { ...process.env, ...env },
    });
    const [core = ""] = coresIn(folder);
    expect(holds(readFileSync(`${folder}/${core}`), secret)).toBe(true);

    const agent = await startAgent(unlimited);
    await startTask(agent, sleeping(makeAllocation()));
    process.kill(agent.pid, "SIGABRT");
    await agent.exited;
    expect(coresIn(folder)).toEqual([core]);
  });

  test.runIf(toFile)("of a task, unless its job asks for it", async () => {
    const agent = await startAgent(preparedBy("ulimit -c unlimited"));
    for (const [ulimit, cores] of [
      [undefined, 0],
      [[{ core: "unlimited" }], 1],
    ] as const) {
      const allocation = makeAllocation();
      const command = { command: "sh", args: ["-c", "cd local; kill -SEGV $$"], ...(ulimit && { ulimit }) };
      expect(await runTask(agent, allocation.config(command, { env }))).toMatchObject({ signal: 11 });
      expect(coresIn(`${allocation.taskFolder}/local`)).toHaveLength(cores);
    }
  });
});

test("nothing that the inspector sends holds a secret or an argument", async () => {
  const stateDir = newStateDir();
  const agent = await startAgent({ stateDir });
  const ids = await tasksOf(agent);
  const server = await InspectorServer.start({ path: stateDir, host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close());
  const relay = await server.relay();

  const admitted = admission(server.url);
  const query = ids.map((id) => `id=${encodeURIComponent(id)}`);
  const names = ["task", "events", "mermaid", "bundle", "moment"];
  const paths = [
    ...["/", "/api/status", "/api/tasks", "/api/node"],
    ...query.flatMap((id) => names.map((name) => `/api/${name}?${id}&seq=1`)),
  ];
  const sent = new Map<string, string>();
  for (const path of paths) {
    const { status, headers, body } = await get(new URL(path, server.url).href, admitted);
    expect(status, path).toBe(200);
    sent.set(path, `${JSON.stringify(headers)}${body}`);
  }
  sent.set("/api/live", await liveText(new URL("/api/live", server.url), admitted, ids));
  sent.set("/stately", await relayed(`${relay}&history`, ids));

  for (const [path, text] of sent) {
    expect([holds(text, secret), holds(text, argument)], path).toEqual([false, false]);
  }
  // The names are sent, which shows that the search looks at the right place.
  for (const path of ["/stately", `/api/events?${query[0]}&seq=1`])
    expect(sent.get(path)).toContain("PASSWORD");
});

/** A running task, an ended task, and a task whose start failed. */
async function tasksOf(agent: Agent): Promise<string[]> {
  const running = sleeping(makeAllocation());
  await startTask(agent, running);
  const ended = makeAllocation().config({ command: "true", args: [argument] }, { env });
  await runTask(agent, ended);
  const failed = makeAllocation().config({ command: "no-such-command", args: [argument] }, { env });
  await startTask(agent, failed).catch(() => undefined);
  return [running.id, ended.id, failed.id];
}

/** What the server sends to a page, until the page has all tasks. */
async function liveText(
  url: URL,
  headers: ReturnType<typeof admission>,
  ids: readonly string[],
): Promise<string> {
  const asked = request(url, { headers, agent: false }).end();
  const [response] = await once(asked, "response");
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) {
    text += chunk;
    if (ids.every((id) => text.includes(id))) break;
  }
  return text;
}

/** What the relay sends to a client, up to the last event of each task. */
async function relayed(address: string, ids: readonly string[]): Promise<string> {
  const client = new WebSocket(address);
  onTestFinished(() => client.terminate());
  let text = "";
  client.on("message", (data) => {
    text += `${data}\n`;
  });
  await eventually(() => {
    for (const part of [...ids, '"started"', '"destroyed"', '"startFailed"']) expect(text).toContain(part);
  });
  return text;
}

function pidsBelow(cgroup: string): number[] {
  return readdirSync(cgroup, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name === "cgroup.procs")
    .flatMap((entry) =>
      readFileSync(`${entry.parentPath}/cgroup.procs`, "utf8").trim().split("\n").map(Number),
    );
}
