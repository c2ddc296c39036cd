import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { setConfig, taskConfig } from "../support/agent/requests.ts";
import { fakeDriver } from "../support/plugin/fakeDriver.ts";
import { serveInProcess } from "../support/plugin/serveInProcess.ts";

const neverLoaded = () => expect.fail("the driver was loaded");

describe("before the plugin is configured", () => {
  test("the plugin returns its name and its options, without loading its driver", async () => {
    const { base, driver } = await serveInProcess(neverLoaded);
    expect(await base.pluginInfo({})).toEqual({
      type: 2,
      pluginApiVersions: ["v0.1.0"],
      pluginVersion: expect.stringMatching(/^\d+\.\d+\.\d+/),
      name: "exec2",
    });
    const plugin = (await base.configSchema({})).spec?.block;
    expect(plugin?.$case === "object" && [...plugin.value.attributes.keys()]).toContain("unveil_paths");
    const task = (await driver.taskConfigSchema({})).spec?.block;
    expect(task?.$case === "object" && task.value.attributes.get("command")).toEqual({
      block: { $case: "Attr", value: { name: "command", type: "string", required: true } },
    });
  });

  test("options are validated any number of times without loading the driver", async () => {
    const { base } = await serveInProcess(neverLoaded);
    const valid = setConfig({ unveil_paths: ["r:/etc/mime.types"], unveil_by_task: true }, false);
    expect(await base.setConfig(valid)).toEqual({});
    expect(await base.setConfig(valid)).toEqual({});
    await expect(base.setConfig(setConfig({ unveil_paths: ["nonsense"] }, false))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: expect.stringContaining("CONFIG_INVALID: "),
    });
  });

  test("no task starts", async () => {
    const fake = fakeDriver();
    const { driver } = await serveInProcess(fake);
    await expect(driver.startTask({ task: taskConfig() })).rejects.toThrow("not been configured");
    expect(fake.calls).toEqual([]);
  });
});

describe("the configuration", () => {
  test("reaches the driver with the node's cores", async () => {
    const fake = fakeDriver();
    const { base } = await serveInProcess(fake);
    await base.setConfig(setConfig({ unveil_by_task: true, unveil_paths: null }));
    expect(fake.calls).toEqual([
      [
        "configure",
        expect.objectContaining({ unveilByTask: true, unveilDefaults: true, unveilPaths: [] }),
        {
          cores: [
            { coreId: 0, baseMhz: 2445, maxMhz: 0, guessMhz: 0, disabled: false },
            { coreId: 1, baseMhz: 2445, maxMhz: 0, guessMhz: 0, disabled: false },
          ],
          overrideTotalMhz: 8000,
        },
      ],
    ]);
  });

  test("may come without any options and without cores", async () => {
    const fake = fakeDriver();
    const { base } = await serveInProcess(fake);
    const bare = { msgpackConfig: Buffer.alloc(0), pluginApiVersion: "v0.1.0", nomadConfig: {} };
    await base.setConfig(bare);
    expect(fake.calls[0]?.[2]).toEqual({ cores: [], overrideTotalMhz: 0 });
  });

  test.each([
    ["bytes that are not MessagePack", Buffer.from([0xc1])],
    ["a value that is cut off", Buffer.from([0x81, 0xa5, 0x61])],
    ["two values", Buffer.from([0x80, 0x80])],
    ["a list", Buffer.from([0x90])],
  ])("of %s is invalid, and the server lives on", async (_what, msgpackConfig) => {
    const { base } = await serveInProcess(neverLoaded);
    const request = { ...setConfig(), msgpackConfig };
    await expect(base.setConfig(request)).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(await base.setConfig(setConfig({}, false))).toEqual({});
  });

  test("that the driver cannot apply fails, and the earlier configuration stays", async () => {
    let broken = false;
    const fake = fakeDriver({
      configure: async () => {
        if (broken) throw new Error("disk on fire");
      },
    });
    const { base, driver, logged } = await serveInProcess(fake);
    await base.setConfig(setConfig({ unveil_by_task: true }));
    broken = true;
    await expect(base.setConfig(setConfig())).rejects.toThrow("disk on fire");
    expect(logged).toMatchObject([
      { level: "error", fields: { error: expect.stringContaining("disk on fire") } },
    ]);
    broken = false;
    await expect(driver.startTask({ task: taskConfig() })).resolves.toBeDefined();
  });
});

test("a driver that cannot be loaded fails every call that needs it, and no other", async () => {
  let loads = 0;
  const { base, driver, health } = await serveInProcess(async () => {
    loads += 1;
    throw new Error("libc is too old");
  });
  await expect(base.setConfig(setConfig())).rejects.toThrow("libc is too old");
  await expect(driver.capabilities({})).rejects.toMatchObject({
    code: status.INTERNAL,
    details: expect.stringContaining("PLUGIN_FAILED: the driver cannot be loaded"),
  });
  await expect(driver.fingerprint({}).toArray()).rejects.toThrow("libc is too old");
  expect(loads).toBe(1);
  expect(await health.check({ service: "plugin" })).toEqual({ status: 1 });
});

test("an error of Init is returned, so that the agent tries another process, and the server goes on", async () => {
  let broken = true;
  const fake = fakeDriver({
    agentArrived: () => {
      if (broken) throw new Error("disk on fire");
    },
  });
  const { base, driver } = await serveInProcess(fake);
  await base.setConfig(setConfig());
  await expect(driver.init({})).rejects.toThrow("disk on fire");
  broken = false;
  expect(await driver.init({})).toEqual({});
});

test("Init and Shutdown succeed repeatedly, and end nothing", async () => {
  const { driver, ended } = await serveInProcess(neverLoaded);
  for (const call of [driver.init, driver.init, driver.shutdown, driver.init])
    expect(await call({})).toEqual({});
  expect(ended()).toBe(0);
});
