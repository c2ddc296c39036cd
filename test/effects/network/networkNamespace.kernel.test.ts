import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readlinkSync, statSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { checkNetworkNamespace, OwnNetwork } from "../../../src/effects/network/networkNamespace.ts";
import { errorOf } from "../../support/errors.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

describe("the allocation's network namespace", () => {
  it("is accepted if the agent has mounted one", (context) => {
    requireTools(context, "ip");
    const name = `exec2-test-${process.pid}`;
    execFileSync("ip", ["netns", "add", name]);
    onTestFinished(() => void execFileSync("ip", ["netns", "delete", name]));
    const path = `/var/run/netns/${name}`;
    for (const mode of ["group", "none"] as const) {
      expect(() => checkNetworkNamespace({ mode, path })).not.toThrow();
    }
  });

  it("is not needed in the host's network, nor if the driver creates one itself", () => {
    for (const mode of ["host", "none"] as const) {
      expect(() => checkNetworkNamespace({ mode, path: "" })).not.toThrow();
    }
  });

  it("is refused if it is only the empty file of an unmounted namespace", () => {
    const path = `${temporaryFolder()}/unmounted`;
    writeFileSync(path, "");
    expect(errorOf(() => checkNetworkNamespace({ mode: "group", path }))).toMatchObject({
      code: "NETWORK_NAMESPACE_INVALID",
      message: expect.stringContaining(`${path} is not a network namespace`),
      hint: expect.stringContaining("reboot"),
    });
  });

  it.each(["/proc/self/status", "/dev/null", "/tmp"])("is not %s", (path) => {
    expect(errorOf(() => checkNetworkNamespace({ mode: "group", path })).code).toBe(
      "NETWORK_NAMESPACE_INVALID",
    );
  });

  it("is refused if it is gone", () => {
    expect(
      errorOf(() => checkNetworkNamespace({ mode: "group", path: "/var/run/netns/exec2-gone" })),
    ).toMatchObject({
      code: "NETWORK_NAMESPACE_INVALID",
      failed: { call: "statfs", path: "/var/run/netns/exec2-gone", errno: "ENOENT" },
    });
  });

  it("is required in mode group, and never replaced by the host's", () => {
    expect(errorOf(() => checkNetworkNamespace({ mode: "group", path: "" })).code).toBe(
      "NETWORK_NAMESPACE_INVALID",
    );
  });
});

const mine = () => readlinkSync("/proc/thread-self/ns/net");

function made(): OwnNetwork {
  const network = OwnNetwork.make();
  onTestFinished(() => network.close());
  return network;
}

/** The output of a program in the namespace. */
async function inside({ path }: OwnNetwork, ...command: string[]): Promise<string> {
  const child = spawn("nsenter", [`--net=${path}`, ...command]);
  return text(child.stdout);
}

it("a new network differs from the host's, has a working loopback, and leaves this thread in the host's", async () => {
  const before = mine();
  const network = made();
  expect(mine()).toBe(before);
  expect(statSync(network.path).ino).not.toBe(statSync("/proc/thread-self/ns/net").ino);
  expect(await inside(network, "ip", "-o", "link")).toMatch(/^1: lo: <LOOPBACK,UP/);
  expect((await inside(network, "ip", "-o", "link")).trim().split("\n")).toHaveLength(1);
});

it("a new network is reached by connections from outside, which fail for ports without a listener", async () => {
  const network = made();
  const script =
    "require('net').createServer(s => s.end('hello\\n')).listen(8080, '127.0.0.1', () => console.log('up'))";
  const server = spawn("nsenter", [`--net=${network.path}`, process.execPath, "-e", script]);
  onTestFinished(() => void server.kill("SIGKILL"));
  await once(server.stdout, "data");
  const before = mine();
  const connection = network.connect(8080);
  connection.end();
  expect(await text(connection)).toBe("hello\n");
  expect(() => network.connect(8081)).toThrow("ECONNREFUSED");
  expect(mine()).toBe(before);
});
