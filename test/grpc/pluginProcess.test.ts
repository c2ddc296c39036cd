/** The tests launch, call, abandon or end a plugin process, as an agent does. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { status } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import { launchEnvironment } from "../../src/grpc/handshake.ts";
import { connectPlugin } from "../../src/grpc/pluginClient.ts";
import { setConfig, taskConfig, taskId } from "../support/agent/requests.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { type StartedPlugin, startPlugin } from "../support/plugin/startPlugin.ts";

const entry = join(import.meta.dirname, "../fixtures/fakePlugin.ts");
const start = (behaviour = "") => startPlugin({ entry, env: { FAKE_PLUGIN: behaviour } });

describe("standard output", () => {
  test("has the handshake, and nothing else", async () => {
    const plugin = spawnBare({ FAKE_PLUGIN: "noisy" });
    const [handshake] = await once(plugin.stdout, "data");
    const written = text(plugin.stdout);
    const logged = text(plugin.stderr);
    const [, , , socketPath = ""] = String(handshake).split("|");
    expect(String(handshake)).toBe(`1|2|unix|${socketPath}|grpc\n`);
    const agent = connectPlugin(socketPath);
    await agent.driver.capabilities({});
    await agent.controller.shutdown({});
    agent.disconnect();
    expect(await written).toBe("");
    const lines = (await logged)
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).text);
    expect(lines).toEqual(expect.arrayContaining(["printed by a library", "deprecated"]));
  });
});

describe("a launch that cannot be served", () => {
  test.each([
    ["PLUGIN_CLIENT_CERT", "-----BEGIN CERTIFICATE-----", "mutual TLS"],
    ["PLUGIN_PROTOCOL_VERSIONS", "3", "plugin protocol 3"],
    ["PLUGIN_UNIX_SOCKET_DIR", "/no/such/folder", "/no/such/folder"],
    ["PLUGIN_UNIX_SOCKET_GROUP", "no-such-group", "no group no-such-group"],
  ])(
    "with %s=%s says so in the agent's log, prints nothing, and exits with 1",
    async (name, value, message) => {
      const plugin = spawnBare({ [name]: value });
      const output = Promise.all([text(plugin.stdout), text(plugin.stderr)]);
      const [code] = await once(plugin, "close");
      const [written, logged] = await output;
      expect(code).toBe(1);
      expect(written).toBe("");
      expect(JSON.parse(logged)).toMatchObject({
        "@level": "error",
        "@message": "the plugin cannot serve its agent",
        error: expect.stringContaining(message),
      });
    },
  );
});

describe("the end of a plugin", () => {
  test("comes when the agent requests it, with an answer, exit code 0 and no socket left", async () => {
    const plugin = await start();
    await plugin.driver.capabilities({});
    expect(await plugin.controller.shutdown({})).toEqual({});
    expect(await plugin.exited).toEqual({ code: 0, signal: null });
    expect(existsSync(plugin.socketPath)).toBe(false);
  });

  test("breaks open calls instead of answering them, so that the agent knows why", async () => {
    const plugin = await configured();
    const waiting = plugin.driver.waitTask({ taskId }).catch((error) => error);
    const held = plugin.stdio.streamStdio({});
    const broken = once(held, "error");
    await plugin.health.check({ service: "" });
    await plugin.controller.shutdown({});
    expect(await waiting).toMatchObject({ code: status.UNAVAILABLE });
    expect((await broken)[0]).toMatchObject({ code: status.UNAVAILABLE });
  });

  test("comes after the answers that are under way", async () => {
    const plugin = await start("slow");
    await plugin.base.setConfig(setConfig());
    const destroyed = plugin.driver.destroyTask({ taskId, force: true });
    expect(await plugin.controller.shutdown({})).toEqual({});
    expect(await destroyed).toEqual({});
    expect(await plugin.exited).toEqual({ code: 0, signal: null });
  });

  test("comes with SIGTERM too", async () => {
    const plugin = await start();
    process.kill(plugin.pid, "SIGTERM");
    expect(await plugin.exited).toEqual({ code: 0, signal: null });
    expect(existsSync(plugin.socketPath)).toBe(false);
  });

  test("is caused by close(), also if repeated", async () => {
    const plugin = await start();
    expect(await plugin.close()).toEqual({ code: 0, signal: null });
    expect(await plugin.close()).toEqual({ code: 0, signal: null });
  });
});

describe("the socket of a plugin that was killed", () => {
  test("is removed by the next plugin, and nothing else is", async () => {
    const folder = temporaryFolder();
    const env = { PLUGIN_UNIX_SOCKET_DIR: folder };
    const [killed, living] = [await startPlugin({ entry, env }), await startPlugin({ entry, env })];
    process.kill(killed.pid, "SIGKILL");
    await killed.exited;
    const reused = socketOfNobody(folder, process.pid);
    utimesSync(reused, 1, 1);
    const staying = [
      living.socketPath,
      // This process may be about to listen on the socket.
      socketOfNobody(folder, process.pid),
      join(folder, `exec2-${killed.pid}-file.sock`),
      join(folder, `exec2-${killed.pid}-.sock`),
      join(folder, "another.sock"),
    ];
    for (const path of staying.slice(2)) writeFileSync(path, "");
    expect(readdirSync(folder)).toHaveLength(7);

    const next = await startPlugin({ entry, env });
    // An agent's first two launches never call the driver.
    await next.driver.capabilities({});
    const left = () => readdirSync(folder).sort();
    await expect.poll(left).toEqual([...staying, next.socketPath].map((path) => basename(path)).sort());
    expect(await living.health.check({ service: "plugin" })).toEqual({ status: 1 });
  });
});

describe("a plugin lives on", () => {
  test.each(["SIGINT", "SIGHUP", "SIGPIPE"] as const)("after %s", async (signal) => {
    const plugin = await start();
    process.kill(plugin.pid, signal);
    expect(await plugin.health.check({ service: "plugin" })).toEqual({ status: 1 });
  });

  test("when something throws outside any call, and logs where", async () => {
    const plugin = await start("throwing");
    await plugin.driver.capabilities({});
    await expect
      .poll(() => plugin.stderrLines.filter((line) => line.includes("unexpected failure")))
      .toHaveLength(2);
    expect(plugin.stderrLines.join()).toMatch(/thrown outside any call.*fakePlugin\.ts/);
    expect(plugin.stderrLines.join()).toContain("rejected outside any call");
    expect(await plugin.health.check({ service: "plugin" })).toEqual({ status: 1 });
  });

  test("when its driver cannot be loaded", async () => {
    const plugin = await start("broken");
    await expect(plugin.driver.capabilities({})).rejects.toThrow("no such native addon");
    expect(await plugin.health.check({ service: "plugin" })).toEqual({ status: 1 });
  });

  test("when its agent dies: it loses its reader, keeps its configuration, and serves the next agent", async () => {
    const plugin = spawnBare();
    const [handshake] = await once(plugin.stdout, "data");
    const [, , , socketPath = ""] = String(handshake).split("|");
    const first = connectPlugin(socketPath);
    await first.base.setConfig(setConfig());
    plugin.stdout.destroy();
    plugin.stderr.destroy();
    first.disconnect();
    process.kill(Number(plugin.pid), "SIGINT");
    const second = connectPlugin(socketPath);
    expect(await second.driver.init({})).toEqual({});
    expect((await second.driver.startTask({ task: taskConfig() })).handle?.version).toBe(1);
    await second.controller.shutdown({});
    second.disconnect();
    expect(await once(plugin, "close")).toEqual([0, null]);
  });
});

describe("the launch of", () => {
  test("a program that is no plugin fails with the program's output", async () => {
    const failed = startPlugin({ entry: "/bin/sh", args: ["-c", "echo not today >&2; exit 3"] });
    await expect(failed).rejects.toMatchObject({
      code: "PLUGIN_FAILED",
      message: expect.stringMatching(/exit code 3.*not today/),
    });
  });

  test("a program that prints another handshake fails, and the program is killed", async () => {
    await expect(
      startPlugin({ entry: "/bin/sh", args: ["-c", "echo hello; exec sleep 1000"] }),
    ).rejects.toThrow('not the handshake of a Nomad driver plugin: "hello"');
  });

  test("a missing program fails", async () => {
    await expect(startPlugin({ entry: "/no/such/plugin" })).rejects.toThrow("ENOENT");
  });
});

async function configured(): Promise<StartedPlugin> {
  const plugin = await start();
  await plugin.base.setConfig(setConfig());
  return plugin;
}

/** A socket with the name that a plugin with this pid would use. The process that created it is dead. */
function socketOfNobody(folder: string, pid: number): string {
  const path = join(folder, `exec2-${pid}-${readdirSync(folder).length}.sock`);
  const bindAndDie = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`;
  spawnSync(process.execPath, ["-e", bindAndDie]);
  return path;
}

/** A plugin whose standard streams belong to the test. */
function spawnBare(env: NodeJS.ProcessEnv = {}) {
  const plugin = spawn(process.execPath, [entry], {
    env: { ...process.env, ...launchEnvironment, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => {
    plugin.kill("SIGKILL");
  });
  return plugin;
}
