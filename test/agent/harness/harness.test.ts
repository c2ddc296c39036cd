/** The parts of the harness, against what a real agent has answered. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import { allocationStub, type TaskStateStub } from "../../../src/fleet/stubs.ts";
import { pluginOptionsIn } from "../../../src/localAgent/files/pluginConfig.ts";
import type { Task } from "../../../src/localAgent/jobspec/job.ts";
import { jobFile } from "../../../src/localAgent/jobspec/jobFile.ts";
import { readJobFile } from "../../../src/localAgent/jobspec/readJob.ts";
import { parseFile } from "../../../src/localAgent/jobspec/syntax.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { recordedCluster } from "../../support/nomad/cluster.ts";
import { startNomad } from "../../support/nomad/fakeNomad.ts";
import { AgentApi } from "./agentApi.ts";
import { AgentProcess } from "./agentProcess.ts";
import { allocations, endOf, startsOf } from "./answers.ts";
import { configurationOf } from "./configuration.ts";
import { quoted, shellJob } from "./hcl.ts";
import { pluginOf, shellsOf } from "./processes.ts";

const folder = "/tmp/agent-x";
const pluginDir = "/opt/driver";

describe("the agents' configuration", () => {
  it("is HCL, and its plugin block is one that the driver accepts", async () => {
    const file = jobFile("client.hcl", configurationOf("client", { folder, pluginDir }));
    const options = (await pluginOptionsIn(file)) ?? {};
    expect(file.problems).toEqual([]);
    expect(parsePluginOptions(options)).toMatchObject({ stateDir: join(folder, "state") });
  });

  it("gives each role ports and a folder of its own", async () => {
    const [server, client] = await Promise.all(
      (["server", "client"] as const).map((role) =>
        parseFile(jobFile(`${role}.hcl`, configurationOf(role, { folder, pluginDir }))),
      ),
    );
    expect(server).toMatchObject({ server: [{ bootstrap_expect: 1 }], data_dir: join(folder, "server") });
    expect(client).toMatchObject({
      client: [{ enabled: true }],
      data_dir: join(folder, "client"),
      plugin_dir: pluginDir,
    });
    const portsOf = (content: unknown) => Object.values((content as { ports: [object] }).ports[0]);
    expect(new Set([...portsOf(server), ...portsOf(client)]).size).toBe(6);
  });
});

describe("a job of a case", () => {
  const readHcl = async (hcl: string) => {
    const file = jobFile("job.hcl", hcl);
    const job = await readJobFile(file, { given: {}, environment: {} });
    return { task: job?.groups[0]?.tasks[0], problems: file.problems };
  };

  it("has its script as it is, whatever is in it", () =>
    fc.assert(
      fc.asyncProperty(fc.string({ unit: fc.constantFrom(..."$%{}\"\\'\n\t a~é😀") }), async (script) => {
        const { task, problems } = await readHcl(shellJob("case", script));
        expect(problems).toEqual([]);
        // What an allocation would resolve is still escaped.
        const [, read = ""] = (task as Task).config.args as string[];
        expect(read.replaceAll(/([$%])\1(?=\{)/g, "$1")).toBe(script);
      }),
      { numRuns: 40 },
    ));

  it("has the lines that a case adds", async () => {
    const options = { config: "pids_limit = 9", task: 'user = "nobody"', restarts: 2, count: 3 };
    const { task, problems } = await readHcl(shellJob("case", "true", options));
    expect(problems).toEqual([]);
    expect(task).toMatchObject({ name: "t", driver: "exec2", user: "nobody", config: { pids_limit: 9 } });
    expect(quoted("$" + "{a}%{b}")).toBe('"$${a}%%{b}"');
  });
});

describe("a task's end, as a real agent has told it", () => {
  const stateOf = (job: string): TaskStateStub => {
    const found = recordedCluster().allocations.find(({ JobID }) => JobID === job);
    return Object.values(allocationStub.parse(found).TaskStates ?? {})[0] as TaskStateStub;
  };

  it.each([
    ["report", { exitCode: 0, signal: 0, failed: false }],
    ["seven", { exitCode: 7, signal: 0, failed: true }],
    ["crash", { signal: 11, failed: true }],
    ["denied", { exitCode: 3, failed: true }],
  ])("of job %s", (job, expected) => {
    expect(endOf(stateOf(job))).toMatchObject(expected);
    expect(startsOf(stateOf(job))).toBe(1);
  });

  it("of a refused start has no start, and says why", () => {
    const end = endOf(stateOf("refused"));
    expect(end).toMatchObject({ failed: true, events: expect.not.arrayContaining(["Started"]) });
    expect(end?.messages).toContain("UNVEIL_PATH_MISSING");
  });

  it("is none as long as it runs", () => {
    expect(endOf(stateOf("web"))).toBeUndefined();
    expect(endOf(undefined)).toBeUndefined();
  });
});

describe("the API", () => {
  it("is asked by blocking queries until an answer has what is looked for", async () => {
    const cluster = recordedCluster();
    const nomad = await startNomad(cluster);
    onTestFinished(() => nomad.close());
    const api = new AgentApi({ server: nomad.address, client: nomad.address });
    onTestFinished(() => api.close());
    const [first] = cluster.allocations;
    const waiting = api.until(
      "/v1/allocations",
      allocations,
      (all) => all.find(({ ID }) => ID === "new"),
      "it",
    );
    await expect.poll(() => nomad.requests.length).toBe(2);
    cluster.allocations = [...cluster.allocations, { ...first, ID: "new" }];
    nomad.changed();
    expect((await waiting).ID).toBe("new");
    // One answer at once, one that waited, and the one that it announced.
    expect(nomad.requests.map(({ query }) => query.has("index"))).toEqual([false, true, false]);
  });

  it("tells what Nomad refuses, and what it says", async () => {
    const nomad = await startNomad(recordedCluster());
    onTestFinished(() => nomad.close());
    const api = new AgentApi({ server: nomad.address, client: nomad.address });
    onTestFinished(() => api.close());
    await expect(api.register("job {}")).rejects.toThrow(/^POST \/v1\/jobs\/parse answers with 405: /);
    await expect(api.ofClient("/v1/nodes", z.object({}))).rejects.toThrow();
  });

  it("reads output again until the log is there and has the text", async () => {
    let asked = 0;
    const server = createServer((_, response) => {
      asked += 1;
      if (asked === 1) return void response.writeHead(404).end("log entry not found");
      response.write("rea");
      setImmediate(() => response.write(asked === 2 ? "" : "dy\n"));
      if (asked === 2) response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const api = new AgentApi({ server: address, client: address });
    expect(await api.output("a", /ready/)).toBe("ready\n");
    expect(asked).toBe(3);
  });
});

describe("an agent's process", () => {
  const agent = (script: string) =>
    new AgentProcess({
      ...{ nomad: "/bin/sh", env: { PATH: process.env.PATH } },
      // The shell's arguments are `agent -config FILE`.
      configuration: "",
      log: join(temporaryFolder(), "log"),
      ...(script === "" ? { nomad: "/nowhere/nomad" } : {}),
    });

  it("that cannot be run, or ends at once, is an error with what it wrote", async () => {
    await expect(agent("").start()).rejects.toThrow("the agent cannot be run: spawn /nowhere/nomad ENOENT");
    await expect(agent("sh").start()).rejects.toThrow(/^the agent ended \(\d+\)\. It wrote:\n.*agent/);
  });
});

it("finds no plugin and no shell where there is none", () => {
  expect(pluginOf("/nowhere/nomad-driver-exec2")).toBeUndefined();
  expect(shellsOf("00000000-0000-0000-0000-000000000000")).toEqual([]);
});
