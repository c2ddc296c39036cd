import { existsSync } from "node:fs";
import { Client, credentials, status } from "@grpc/grpc-js";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  type RecoverTaskRequest,
  type TaskConfig,
  TaskState,
} from "../../../src/grpc/generated/nomad/driver.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { type Agent, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { type Allocation, type Command, makeAllocation } from "../../support/agent/allocation.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { runFoldersIn } from "../../support/plugin/pluginTraces.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({ options: { unveil_by_task: true } });
});

describe("bytes that are not a message", () => {
  const driver = "/hashicorp.nomad.plugins.drivers.proto.Driver";
  const base = "/hashicorp.nomad.plugins.base.proto.BasePlugin";

  test.each([
    `${base}/SetConfig`,
    `${driver}/StartTask`,
    `${driver}/RecoverTask`,
    `${driver}/WaitTask`,
    `${driver}/StopTask`,
    `${driver}/DestroyTask`,
    `${driver}/InspectTask`,
    `${driver}/SignalTask`,
    `${driver}/NoSuchMethod`,
  ])("let a call of %s fail and harm nothing else", async (method) => {
    for (const bytes of ["ffffffffff", "0a", "0affffffff0f61", "08", "0bff"]) {
      await expect(callRaw(method, Buffer.from(bytes, "hex"))).rejects.toMatchObject({
        code: expect.any(Number),
      });
    }
    await expectWorks();
  });

  function callRaw(method: string, bytes: Buffer): Promise<Buffer> {
    const client = new Client(`unix:${agent.socketPath}`, credentials.createInsecure());
    onTestFinished(() => client.close());
    const same = (value: Buffer) => value;
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(method, same, same, bytes, (error, answer) =>
        error ? reject(error) : resolve(answer as Buffer),
      );
    });
  }
});

describe("a start is refused", () => {
  test("without a task", async () => {
    const refused = await agent.driver.startTask({}).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "CONFIG_INVALID", recoverable: false });
  });

  test.each<[string, Partial<TaskConfig>, string]>([
    [
      "options that are not MessagePack",
      { msgpackDriverConfig: Buffer.from("c1c1", "hex") },
      "CONFIG_INVALID",
    ],
    ["options that are not a map", { msgpackDriverConfig: Buffer.from("93010203", "hex") }, "CONFIG_INVALID"],
    ["no options", { msgpackDriverConfig: Buffer.alloc(0) }, "CONFIG_INVALID"],
    ["no id", { id: "" }, "EVENT_INVALID"],
    ["an id that is too long", { id: "x".repeat(5_000) }, "EVENT_INVALID"],
    ["a user with a NUL", { user: "nobody\0" }, "USER_UNKNOWN"],
    ["no resources", { resources: undefined }, "CGROUP_MISSING"],
    ["an allocation's folder with a NUL", { allocDir: "/var\0/lib" }, "CONFIG_INVALID"],
    ["a task's name that leads elsewhere", { name: "../../.." }, "CONFIG_INVALID"],
  ])("with %s", async (_what, differing, code) => {
    const refused = await refusalOf(makeAllocation(), "true", differing);
    expect(refused).toMatchObject({ code, recoverable: false });
    await expectWorks();
  });

  test.each<[string, Command]>([
    ["command", { command: "tr\0ue" }],
    ["argument", { command: "true", args: ["a\0b"] }],
    ["work_dir", { command: "true", work_dir: "/\0" }],
    ["unveiled path", { command: "true", unveil: ["r:/\0"] }],
  ])("with a NUL in the %s", async (_what, command) => {
    expect(await refusalOf(makeAllocation(), command)).toMatchObject({ code: "CONFIG_INVALID" });
  });

  test.each([{ "BAD\0": "x" }, { BAD: "\0" }, { "": "x" }, { "A=B": "x" }])(
    "with the variable %o",
    async (env) => {
      const allocation = makeAllocation();
      const config = allocation.config("true", { env });
      const refused = await startTask(agent, config).catch(errorOfCall);
      expect(refused).toMatchObject({ code: "CONFIG_INVALID" });
    },
  );

  test("with an argument that is too long for the kernel", async () => {
    const refused = await refusalOf(makeAllocation(), { command: "true", args: ["x".repeat(2 ** 18)] });
    expect(refused).toMatchObject({ code: "LAUNCH_FAILED" });
    expect(String(refused)).toMatch(/execve .*E2BIG/);
  });

  test.each([
    ["variables", (count: number) => many(count, 1), 1_900, 40_000],
    ["bytes", (size: number) => many(100, size), 9_000, 11_000],
    ["bytes in one variable", (size: number) => many(1, size), 131_000, 132_000],
  ])("with an environment of more %s than a task may have", async (_what, made, allowed, tooMany) => {
    const allocation = makeAllocation();
    const config = allocation.config("true", { env: made(tooMany) });
    const refused = await startTask(agent, config).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "CONFIG_INVALID" });
    expect(String(refused)).toMatch(/the task's environment has [\d,]+ /);
    expect(String(refused)).not.toContain("secretX");
    const started = makeAllocation().config("true", { env: made(allowed) });
    expect(await runTask(agent, started)).toMatchObject({ exitCode: 0 });
  });

  test("with a message that is too large", async () => {
    const huge = makeAllocation().config("true", { jobName: "x".repeat(65 << 20) });
    await expect(startTask(agent, huge)).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    });
    await expectWorks();
  });
});

test("an id that looks like a path leads to no other folder", async () => {
  const allocation = makeAllocation();
  const open = allocation.gate();
  const id = "../../../../../../tmp/exec2-escaped";
  const config = allocation.config("read -r _ < $NOMAD_TASK_DIR/gate", { id });
  await startTask(agent, config);
  // The refused starts have left nothing there, either.
  expect(runFoldersIn(agent.stateDir)).toEqual([
    expect.stringMatching(/^[^/]*escaped~[0-9a-f]{64}\+[0-9a-f]{8}$/),
  ]);
  expect(existsSync("/tmp/exec2-escaped")).toBe(false);
  open();
  expect((await agent.driver.waitTask({ taskId: id })).result?.exitCode).toBe(0);
});

test("a large environment and many arguments arrive completely, and the history keeps a part", async () => {
  const allocation = makeAllocation();
  const env = Object.fromEntries(
    Array.from({ length: 200 }, (_, number) => [`LARGE_${number}`, "v".repeat(5_000)]),
  );
  const args = ["-e", 'print scalar(@ARGV), " ", length(join "", @ENV{grep /^LARGE_/, keys %ENV})'];
  const many = Array.from({ length: 30_000 }, (_, number) => String(number));
  const config = allocation.config({ command: "perl", args: [...args, ...many] }, { env });
  expect(await runTask(agent, config)).toMatchObject({ exitCode: 0 });
  expect(await allocation.stdout.text()).toBe("30000 1000000");
  const events = await eventsOf(agent.stateDir, config.id);
  const recorded = JSON.stringify(events.map(({ data }) => data));
  expect(recorded).toContain("more arguments of");
  expect(recorded).toContain('"-e"');
  expect(recorded).not.toContain('"29999"');
  expect(recorded.length).toBeLessThan(500_000);
});

describe("a recovery is refused", () => {
  test.each<[string, Partial<RecoverTaskRequest>]>([
    ["without a handle", {}],
    [
      "with an empty handle",
      { handle: { version: 1, state: TaskState.RUNNING, driverState: Buffer.alloc(0) } },
    ],
  ])("%s", async (_what, request) => {
    const refused = await agent.driver.recoverTask({ taskId: "", ...request }).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "HANDLE_INVALID" });
  });

  test("of an unknown task", async () => {
    const config = makeAllocation().config("true");
    const handle = { version: 1, state: TaskState.RUNNING, config, driverState: Buffer.from("nonsense") };
    const refused = await agent.driver.recoverTask({ taskId: "", handle }).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "HANDLE_INVALID" });
    await expect(agent.driver.waitTask({ taskId: config.id })).rejects.toThrow("task not found");
  });
});

function refusalOf(
  allocation: Allocation,
  command: Command,
  differing: Partial<Omit<TaskConfig, "env">> = {},
) {
  const { env: _, ...rest } = allocation.config(command, differing as never);
  return startTask(agent, { ...rest, env: new Map(Object.entries(allocation.env)) }).catch(errorOfCall);
}

/** Expects that the plugin still starts tasks. */
async function expectWorks(): Promise<void> {
  expect(await runTask(agent, makeAllocation().config("exit 1"))).toMatchObject({ exitCode: 1 });
}

/** Variables, each with a value of a size. */
function many(count: number, size: number): Record<string, string> {
  const value = "secretX".padEnd(size, "x").slice(0, size);
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`V${at}`, value]));
}
