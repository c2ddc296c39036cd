import { once } from "node:events";
import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ServerReflectionResponse } from "../../src/grpc/generated/grpc/reflection.ts";
import { connectPlugin } from "../../src/grpc/pluginClient.ts";
import { setConfig } from "../support/agent/requests.ts";
import { fakeDriver } from "../support/plugin/fakeDriver.ts";
import { serveInProcess } from "../support/plugin/serveInProcess.ts";

const serving = { status: 1 };

describe("health", () => {
  test.each(["", "plugin"])("of %o is SERVING", async (service) => {
    const { health } = await serveInProcess(fakeDriver());
    expect(await health.check({ service })).toEqual(serving);
  });

  test("of another service is unknown", async () => {
    const { health } = await serveInProcess(fakeDriver());
    await expect(health.check({ service: "other" })).rejects.toMatchObject({ code: status.NOT_FOUND });
  });

  test("is listed", async () => {
    const { health } = await serveInProcess(fakeDriver());
    expect((await health.list({})).statuses).toEqual(
      new Map([
        ["", serving],
        ["plugin", serving],
      ]),
    );
  });

  test.each([
    ["plugin", 1],
    ["other", 3],
  ])("of %o can be watched", async (service, expected) => {
    const { health } = await serveInProcess(fakeDriver());
    const stream = health.watch({ service });
    stream.on("error", () => {});
    expect(await once(stream, "data")).toEqual([{ status: expected }]);
    stream.cancel();
  });
});

test("the controller answers, and ends the process", async () => {
  const { controller, ended } = await serveInProcess(fakeDriver());
  expect(await controller.shutdown({})).toEqual({});
  expect(ended()).toBe(1);
});

test("the broker keeps its stream open until the agent ends it", async () => {
  const { broker, health } = await serveInProcess(fakeDriver());
  const stream = broker.startStream();
  const received: unknown[] = [];
  stream.on("data", (message) => received.push(message));
  stream.write({ serviceId: 1, network: "unix", address: "/tmp/x" });
  stream.write({ serviceId: 1, network: "", address: "", knock: { knock: true, ack: false, error: "" } });
  await health.check({ service: "" });
  stream.end();
  const [{ code }] = await once(stream, "status");
  expect(code).toBe(status.OK);
  expect(received).toEqual([]);
});

test("the standard streams stay open and silent", async () => {
  const { stdio, health, breakConnections } = await serveInProcess(fakeDriver());
  const stream = stdio.streamStdio({});
  const received: unknown[] = [];
  stream.on("data", (message) => received.push(message));
  const failed = once(stream, "error");
  await health.check({ service: "" });
  breakConnections();
  expect((await failed)[0]).toMatchObject({ code: status.UNAVAILABLE });
  expect(received).toEqual([]);
});

describe("reflection", () => {
  const services = [
    "hashicorp.nomad.plugins.base.proto.BasePlugin",
    "hashicorp.nomad.plugins.drivers.proto.Driver",
    "grpc.health.v1.Health",
    "plugin.GRPCController",
    "plugin.GRPCBroker",
    "plugin.GRPCStdio",
    "exec2.StateFolder",
    "exec2.Operator",
    "grpc.reflection.v1.ServerReflection",
  ];

  test("lists the services", async () => {
    const { value } = await ask({ $case: "listServices", value: "" }, "listServicesResponse");
    expect(value.service.map(({ name }) => name)).toEqual(services);
  });

  test.each([...services, "hashicorp.nomad.plugins.drivers.proto.Driver.StartTask", "plugin.ConnInfo.Knock"])(
    "describes %s completely",
    async (symbol) => {
      const { value } = await ask({ $case: "fileContainingSymbol", value: symbol }, "fileDescriptorResponse");
      const file = value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
      const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: file.toReversed() }));
      const owner = registry.get(symbol) ?? registry.get(symbol.slice(0, symbol.lastIndexOf(".")));
      expect(owner).toBeDefined();
    },
  );

  test("finds a file by its name", async () => {
    const { value } = await ask(
      { $case: "fileByFilename", value: "nomad/hclspec.proto" },
      "fileDescriptorResponse",
    );
    expect(value.fileDescriptorProto).toHaveLength(1);
  });

  test.each([
    { $case: "fileByFilename", value: "none.proto" },
    { $case: "fileContainingSymbol", value: "no.Such" },
    { $case: "allExtensionNumbersOfType", value: "plugin.Empty" },
  ] as const)("knows nothing of %o", async (question) => {
    const { value } = await ask(question, "errorResponse");
    expect(value.errorCode).toBe(status.NOT_FOUND);
  });

  test("answers in the order of the questions, and ends with them", async () => {
    const { reflection } = await serveInProcess(fakeDriver());
    const stream = reflection.serverReflectionInfo();
    const hosts = ["a", "b", "c"];
    for (const host of hosts) stream.write({ host, messageRequest: { $case: "listServices", value: "" } });
    stream.end();
    const answers: ServerReflectionResponse[] = await stream.toArray();
    expect(answers.map(({ validHost }) => validHost)).toEqual(hosts);
  });
});

type Question = NonNullable<ServerReflectionResponse["originalRequest"]>["messageRequest"];
type Answer = NonNullable<ServerReflectionResponse["messageResponse"]>;

async function ask<Case extends Answer["$case"]>(messageRequest: Question, expected: Case) {
  const { reflection } = await serveInProcess(fakeDriver());
  const stream = reflection.serverReflectionInfo();
  stream.write({ host: "here", messageRequest });
  stream.end();
  const [answer] = (await stream.toArray()) as ServerReflectionResponse[];
  expect(answer?.messageResponse?.$case).toBe(expected);
  return answer?.messageResponse as Extract<Answer, { $case: Case }>;
}

describe("the state folder", () => {
  test("is not handed over while another client is connected, even without a call, and nothing ends", async () => {
    const { health, socketPath, ended } = await serveInProcess(fakeDriver());
    await health.check({ service: "" });
    for (let asked = 0; asked < 3; asked++) {
      expect(await askedForFolder(socketPath)).toEqual([{ handedOver: false }]);
    }
    expect(ended()).toBe(0);
  });

  test("is handed over if only plugins that want it are connected: the driver releases it, then the process ends", async () => {
    const fake = fakeDriver();
    const { base, socketPath, ended, disconnect } = await serveInProcess(fake);
    await base.setConfig(setConfig());
    expect(await askedForFolder(socketPath)).toEqual([{ handedOver: false }]);
    disconnect();
    await expect.poll(() => askedForFolder(socketPath)).toEqual([{ handedOver: true }]);
    expect(fake.calls.map(([method]) => method)).toEqual(["configure", "shutdown"]);
    expect(ended()).toBe(1);
  });
});

/** The answer to another plugin, which keeps listening until the test is over. */
async function askedForFolder(socketPath: string) {
  const { stateFolder, disconnect } = connectPlugin(socketPath);
  const answers = stateFolder.handOver({});
  answers.on("error", () => undefined);
  onTestFinished(() => {
    answers.cancel();
    disconnect();
  });
  return once(answers, "data");
}
