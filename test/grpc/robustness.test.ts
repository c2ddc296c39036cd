/** Requests that no agent sends. They must not harm the server. */

import { once } from "node:events";
import { connect } from "node:net";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { BasePluginService } from "../../src/grpc/generated/nomad/base.ts";
import { DriverService } from "../../src/grpc/generated/nomad/driver.ts";
import { connectPlugin } from "../../src/grpc/pluginClient.ts";
import { setConfig, taskConfig } from "../support/agent/requests.ts";
import { fakeDriver } from "../support/plugin/fakeDriver.ts";
import { serveInProcess } from "../support/plugin/serveInProcess.ts";

const startTask = DriverService.startTask.path;

test("bytes that are not a message fail only their own call", async () => {
  const { socketPath, health } = await serveInProcess(fakeDriver());
  const client = rawClient(socketPath);
  for (const bytes of [[0xff], [0x0a, 0x05, 0x01], [0x0a, 0x02, 0x0a, 0x7f], Array(20).fill(0x80)]) {
    const failed = await send(client, startTask, Buffer.from(bytes)).catch((error: ServiceError) => error);
    expect(failed).toMatchObject({
      code: status.INTERNAL,
      details: expect.stringContaining("deserializing"),
    });
  }
  expect(await health.check({ service: "" })).toEqual({ status: 1 });
});

test("random bytes never break the server, whatever the method", async () => {
  const { socketPath, health } = await serveInProcess(fakeDriver());
  const client = rawClient(socketPath);
  const unary = [...Object.values(BasePluginService), ...Object.values(DriverService)].filter(
    ({ requestStream, responseStream }) => !requestStream && !responseStream,
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...unary),
      fc.uint8Array({ maxLength: 200 }),
      async ({ path }, bytes) => {
        const outcome = await send(client, path, Buffer.from(bytes)).catch(
          (error: ServiceError) => error.code,
        );
        expect(outcome).not.toBe(status.UNAVAILABLE);
      },
    ),
  );
  expect(await health.check({ service: "" })).toEqual({ status: 1 });
});

test("random options never break the server", async () => {
  const { base } = await serveInProcess(fakeDriver());
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      const outcome = await base
        .setConfig({ ...setConfig(), msgpackConfig: Buffer.from(bytes) })
        .catch(({ code }) => code);
      expect([{}, status.INVALID_ARGUMENT]).toContainEqual(outcome);
    }),
  );
});

test.each(["/no.such/Service", "/hashicorp.nomad.plugins.drivers.proto.Driver/NoSuch", "/"])(
  "%s is not implemented",
  async (path) => {
    const { socketPath } = await serveInProcess(fakeDriver());
    await expect(send(rawClient(socketPath), path, Buffer.alloc(0))).rejects.toMatchObject({
      code: status.UNIMPLEMENTED,
    });
  },
);

test("a request of 20 MB is served, and a request above the limit is refused", async () => {
  const fake = fakeDriver();
  const { base, driver, health } = await serveInProcess(fake);
  await base.setConfig(setConfig());
  const withValue = (mb: number) => ({ task: taskConfig({ jobName: "x".repeat(mb << 20) }) });
  const { handle } = await driver.startTask(withValue(20));
  expect(handle?.config?.jobName).toHaveLength(20 << 20);
  await expect(driver.startTask(withValue(65))).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  expect(await health.check({ service: "" })).toEqual({ status: 1 });
});

test("numbers that cannot be exact are refused, not rounded", async () => {
  const { base } = await serveInProcess(fakeDriver());
  const request = setConfig();
  const topology = request.nomadConfig?.driver?.Topology;
  if (topology) topology.overrideTotalCompute = 2 ** 60;
  await expect(base.setConfig(request)).rejects.toMatchObject({ code: status.INTERNAL });
});

test("connections without HTTP/2 are dropped, and the others stay", async () => {
  const { socketPath, health } = await serveInProcess(fakeDriver());
  await health.check({ service: "" });
  for (const text of ["", "GET / HTTP/1.1\r\n\r\n", "\0\0\0\0"]) {
    const socket = connect(socketPath);
    socket.on("error", () => {});
    socket.end(text);
    socket.resume();
    await once(socket, "close");
  }
  expect(await health.check({ service: "" })).toEqual({ status: 1 });
});

test("agents may come and go", async () => {
  const { socketPath } = await serveInProcess(fakeDriver());
  for (let count = 0; count < 20; count += 1) {
    const agent = connectPlugin(socketPath);
    expect((await agent.base.pluginInfo({})).name).toBe("exec2");
    agent.disconnect();
  }
});

function rawClient(socketPath: string): Client {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  onTestFinished(() => client.close());
  return client;
}

function send(client: Client, path: string, bytes: Buffer): Promise<Buffer | undefined> {
  const same = (value: Buffer) => value;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, same, same, bytes, new Metadata(), (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}
