/** Checks with real sockets which TCP ports a task may use. */

import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { type Agent, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { buildRuleset } from "../../support/buildRuleset.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent();
});

/** Tries each argument: `connect:PORT`, `bind:PORT`, `udp:PORT`. */
const program = `
  for my $attempt (@ARGV) {
    my ($what, $port) = split /:/, $attempt;
    socket(my $socket, PF_INET, $what eq "udp" ? SOCK_DGRAM : SOCK_STREAM, 0) or die;
    my $address = pack_sockaddr_in($port, INADDR_LOOPBACK);
    my $done = $what eq "bind" ? bind($socket, $address) : connect($socket, $address);
    print "$what ", $done ? "ok" : $!, "\\n";
  }`;

describe("a task", () => {
  test("may use every port if its options restrict none", async () => {
    const port = await listeningPort();
    expect(await attempt([`connect:${port}`, "bind:0"])).toEqual(["connect ok", "bind ok"]);
  });

  test("connects only to the ports of connect_tcp, and binds any port", async () => {
    const [port, other] = [await listeningPort(), await listeningPort()];
    const outcomes = await attempt([`connect:${port}`, `connect:${other}`, "bind:0", `udp:${other}`], {
      connect_tcp: [port],
    });
    expect(outcomes).toEqual(["connect ok", "connect Permission denied", "bind ok", "udp ok"]);
  });

  test("binds only the ports of bind_tcp, and connects to any port", async () => {
    const [free, other, port] = [await freePort(), await freePort(), await listeningPort()];
    const outcomes = await attempt([`bind:${free}`, `bind:${other}`, "bind:0", `connect:${port}`], {
      bind_tcp: [free],
    });
    expect(outcomes).toEqual(["bind ok", "bind Permission denied", "bind Permission denied", "connect ok"]);
  });

  test("binds any free port if bind_tcp has 0", async () => {
    expect(await attempt(["bind:0", "bind:1024"], { bind_tcp: [0] })).toEqual([
      "bind ok",
      "bind Permission denied",
    ]);
  });

  test("may use no port if its lists are empty", async () => {
    const port = await listeningPort();
    const outcomes = await attempt([`connect:${port}`, "bind:0"], { connect_tcp: [], bind_tcp: [] });
    expect(outcomes).toEqual(["connect Permission denied", "bind Permission denied"]);
  });

  test("is refused if it requests ports that the client does not allow, and is limited to the client's ports", async () => {
    const [port, other] = [await listeningPort(), await listeningPort()];
    const strict = await startAgent({ options: { connect_tcp: [port] } });
    const outcomes = await attempt([`connect:${port}`, `connect:${other}`], {}, strict);
    expect(outcomes).toEqual(["connect ok", "connect Permission denied"]);
    const refused = await attempt([], { connect_tcp: [other] }, strict).catch(errorOfCall);
    expect(refused).toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(`${other}, but this client allows`),
    });
  });
});

test("later commands in the task are limited to its ports, too", async () => {
  const port = await listeningPort();
  const config = makeAllocation().config({ command: "sleep", args: ["1000"], connect_tcp: [] });
  await startTask(agent, config);
  const script = `perl -MSocket -e '${program}' connect:${port} bind:0`;
  const { stdout, result } = await execScript(agent, config.id, script);
  await result;
  expect(`${stdout}`).toBe("connect Permission denied\nbind ok\n");
});

test("a kernel without rules on ports causes an error", () => {
  for (const abi of [1, 2, 3]) {
    expect(() => buildRuleset([], [], abi, 0, { bindTcp: [80] })).toThrow(
      expect.objectContaining({
        code: "LANDLOCK_UNAVAILABLE",
        message: expect.stringMatching(/ABI \d.*Linux 6\.7/),
      }),
    );
  }
  expect(() => buildRuleset([], [], 9, 0, { connectTcp: [80], bindUdp: [] })).toThrow(
    expect.objectContaining({
      code: "LANDLOCK_UNAVAILABLE",
      message: expect.stringMatching(/ABI 9.*bind_udp.*Linux 7\.2 .*leave out bind_udp/),
    }),
  );
  expect(landlockAbi()).toBeGreaterThanOrEqual(4);
});

async function attempt(attempts: string[], ports: object = {}, by = agent): Promise<string[]> {
  const allocation = makeAllocation();
  const args = ["-MSocket", "-e", program, ...attempts];
  const config = allocation.config({ command: "perl", args, ...ports });
  expect(await runTask(by, config)).toMatchObject({ exitCode: 0 });
  return (await allocation.stdout.text()).trim().split("\n");
}

async function listeningPort(): Promise<number> {
  const server = createServer((socket) => socket.destroy());
  onTestFinished(() => void server.close());
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<number>();
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo;
    server.close(() => resolve(port));
  });
  return promise;
}
