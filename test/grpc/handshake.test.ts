import { statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  handshakeLine,
  isPluginLaunch,
  launchEnvironment,
  parseHandshake,
  readLaunch,
} from "../../src/grpc/handshake.ts";
import { listen } from "../../src/grpc/socket.ts";
import { folderOfFile } from "../support/host/temporaryFolder.ts";

describe("a launch", () => {
  test("with the right magic cookie is recognized as an agent's", () => {
    expect(isPluginLaunch({ ...launchEnvironment })).toBe(true);
    expect(isPluginLaunch({})).toBe(false);
    expect(isPluginLaunch({ NOMAD_PLUGIN_MAGIC_COOKIE: "another" })).toBe(false);
  });

  test.each(["2", "1,2,3", undefined, ""])("with protocol versions %o is served", (versions) => {
    expect(readLaunch({ PLUGIN_PROTOCOL_VERSIONS: versions })).toEqual({
      folder: undefined,
      group: undefined,
    });
  });

  test.each(["1", "3,4", "two", "22"])("with protocol versions %o is refused", (versions) => {
    expect(() => readLaunch({ PLUGIN_PROTOCOL_VERSIONS: versions })).toThrow(
      expect.objectContaining({
        code: "UNSUPPORTED",
        message: expect.stringContaining(`protocol ${versions}`),
      }),
    );
  });

  test("that wants mutual TLS is refused", () => {
    expect(() => readLaunch({ PLUGIN_CLIENT_CERT: "-----BEGIN" })).toThrow("mutual TLS");
  });

  test("may name a folder and a group", () => {
    const env = { PLUGIN_UNIX_SOCKET_DIR: "/run/agent", PLUGIN_UNIX_SOCKET_GROUP: "nomad" };
    expect(readLaunch(env)).toEqual({ folder: "/run/agent", group: "nomad" });
  });
});

describe("the handshake line", () => {
  test("is go-plugin's", () => {
    expect(handshakeLine("/tmp/a.sock")).toBe("1|2|unix|/tmp/a.sock|grpc\n");
  });

  test("can be parsed, also with the empty certificate that go-plugin adds", () => {
    expect(parseHandshake(handshakeLine("/tmp/a.sock"))).toBe("/tmp/a.sock");
    expect(parseHandshake("1|2|unix|/tmp/a.sock|grpc|")).toBe("/tmp/a.sock");
  });

  test.each([
    "",
    "hello",
    "1|1|unix|/tmp/a|grpc",
    "2|2|unix|/tmp/a|grpc",
    "1|2|tcp|127.0.0.1:1|grpc",
    "1|2|unix|/tmp/a|netrpc",
  ])("is not %o", (line) => {
    expect(() => parseHandshake(line)).toThrow(expect.objectContaining({ code: "PLUGIN_FAILED" }));
  });
});

describe("the socket", () => {
  const folder = folderOfFile();

  test("is accessible only to this user", async () => {
    const { server, path } = await listen({ folder, group: undefined });
    expect(path.startsWith(`${folder}/`)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    server.close();
  });

  test("is also accessible to a group, by number or by name", async () => {
    for (const [group, id] of [
      ["12345", 12345],
      ["daemon", 1],
    ] as const) {
      const { server, path } = await listen({ folder, group });
      expect(statSync(path)).toMatchObject({ gid: id, uid: process.getuid?.() });
      expect(statSync(path).mode & 0o777).toBe(0o660);
      server.close();
    }
  });

  test("keeps data that arrive before its first reader", async () => {
    const { server, path } = await listen({ folder, group: undefined });
    const client = connect(path);
    client.write("early");
    const text = await new Promise((resolve) =>
      server.on("connection", (socket) =>
        setImmediate(() => socket.on("data", (data) => resolve(data.toString()))),
      ),
    );
    expect(text).toBe("early");
    client.destroy();
    server.close();
  });

  test.each([
    [{ folder, group: "no-such-group" }, "no group no-such-group"],
    [{ folder: join(folder, "missing"), group: undefined }, "cannot be created"],
    [{ folder: join(folder, "x".repeat(120)), group: undefined }, "longer than 107 bytes"],
  ])("is refused with %o", async (wishes, message) => {
    await expect(listen(wishes)).rejects.toThrow(message);
  });
});
