/** The connections of a cgroup's sockets in a network namespace of its own, and ending them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, readlinkSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { TaskSockets } from "../../../src/effects/egress/taskConnections.ts";
import { pidfdOpen } from "../../../src/effects/kernel/libc.ts";
import { TestCgroup } from "../../support/host/testCgroup.ts";

const script = fileURLToPath(new URL("../../fixtures/egress/connections.py", import.meta.url));

it("are listed and ended by family and protocol, with those of cgroups below, and no others of the namespace", async () => {
  const cgroup = new TestCgroup(`exec2-connections-test-${process.pid}`);
  onTestFinished(() => cgroup.remove());
  const command = 'ip link set lo up && exec python3 "$0" "$1"';
  const child = spawn("unshare", ["-n", "sh", "-c", command, script, cgroup.path]);
  onTestFinished(async () => {
    child.stdin.end();
    await once(child, "exit");
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => (await lines.next()).value ?? "";
  const ports: Record<string, number> = JSON.parse((await next()).replace("ready ", "").replaceAll("'", '"'));
  const send = (name: string) => {
    child.stdin.write(`${name}\n`);
    return next();
  };
  const pidfd = pidfdOpen(child.pid ?? 0);
  onTestFinished(() => closeSync(pidfd));
  const before = readlinkSync("/proc/thread-self/ns/net");
  using sockets = new TaskSockets(pidfd, cgroup.path);
  expect(readlinkSync("/proc/thread-self/ns/net")).toBe(before);

  const { connections, unlisted } = sockets.connections();
  expect(unlisted).toEqual([]);
  const nameOf = (port: number) => Object.keys(ports).find((name) => ports[name] === port);
  const ownPort = (id: Uint8Array) => Buffer.from(id).readUInt16BE();
  const found = connections.map(({ protocol, address, cameIn, id }) => [
    nameOf(ownPort(id)),
    protocol,
    address,
    cameIn,
  ]);
  expect(found.toSorted()).toEqual([
    ["accepted", "tcp", "127.0.0.1", true],
    ["below", "tcp", "127.0.0.1", false],
    ["client", "tcp", "127.0.0.1", false],
    ["mapped", "tcp", "127.0.0.1", false],
    ["tcp4", "tcp", "127.0.0.1", false],
    ["tcp6", "tcp", "::1", false],
    ["udp4", "udp", "127.0.0.1", false],
    ["udp6", "udp", "::1", false],
  ]);
  for (const each of connections) {
    const name = nameOf(ownPort(each.id)) ?? "";
    if (name === "client" || name === "accepted") continue;
    expect(await send(name)).toBe("sent");
    expect(sockets.end(each)).toBeUndefined();
    expect([name, await send(name)]).toEqual([
      name,
      each.protocol === "tcp" ? "ECONNABORTED" : "EDESTADDRREQ",
    ]);
    // It is over already.
    expect(sockets.end(each)).toBeUndefined();
  }
  expect(await send("accepted")).toBe("sent");
  expect(await send("neighbour")).toBe("sent");
});
