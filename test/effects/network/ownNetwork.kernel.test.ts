import { spawn } from "node:child_process";
import { once } from "node:events";
import { readlinkSync, statSync } from "node:fs";
import { text } from "node:stream/consumers";
import { expect, it, onTestFinished } from "vitest";
import { OwnNetwork } from "../../../src/effects/network/ownNetwork.ts";

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

it("differs from the host's, has a working loopback, and this thread stays in the host's", async () => {
  const before = mine();
  const network = made();
  expect(mine()).toBe(before);
  expect(statSync(network.path).ino).not.toBe(statSync("/proc/thread-self/ns/net").ino);
  expect(await inside(network, "ip", "-o", "link")).toMatch(/^1: lo: <LOOPBACK,UP/);
  expect((await inside(network, "ip", "-o", "link")).trim().split("\n")).toHaveLength(1);
});

it("is reached by connections from outside, which fail for ports without a listener", async () => {
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
