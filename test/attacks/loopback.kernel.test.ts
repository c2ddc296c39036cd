/**
 * A task in the host's network connects to what listens on the host's loopback device, such as a database or the agent,
 * by every address that leads there.
 */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { type Agent, runTask, startAgent } from "../support/agent/agent.ts";
import { type Differing, makeAllocation } from "../support/agent/allocation.ts";
import { listeningPort } from "../support/host/ownAddress.ts";
import { requireTools } from "../support/host/requireTools.ts";

/** Prints each way that has worked, or why not. */
const script = `
import socket, sys
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    for address in ("127.0.0.1", "127.9.8.7", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:127.9.8.7"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            socket.socket(family, kind).connect((address, int(sys.argv[1])))
            print(kind.name, address, "worked")
        except OSError as error: print(kind.name, address, error.strerror)
`;
const refused = (ways: readonly string[]) =>
  ways.map((way) => way.replace(/worked$/, "Operation not permitted"));

test("a task reaches services of the host's loopback device unless the operator denies it, or it has a network of its own", async (context) => {
  requireTools(context, "python3");
  const port = await listeningPort("all");
  const args = ["-c", script, `${port}`];
  const outcomes = async (agent: Agent, options: object = {}, differing: Differing = {}) => {
    const allocation = makeAllocation();
    await runTask(agent, allocation.config({ command: "python3", args, ...options }, differing));
    return (await allocation.stdout.text()).trim().split("\n");
  };
  const outside = spawnSync("python3", args, { encoding: "utf8" }).stdout.trim().split("\n");
  // A host may have no IPv6.
  const ways = outside.filter((way) => way.endsWith("worked"));
  expect(ways).toEqual(expect.arrayContaining(["SOCK_STREAM 127.0.0.1 worked", "SOCK_DGRAM 0.0.0.0 worked"]));
  const open = await startAgent();
  expect(await outcomes(open)).toEqual(outside);
  expect(await outcomes(open, { egress: [] })).toEqual(outside);

  const closed = await startAgent({ options: { egress_denied: ["127.0.0.0/8", "::1"] } });
  for (const options of [{}, { egress: [] }, { egress: ["0.0.0.0/0", "::/0"] }])
    expect(await outcomes(closed, options)).toEqual(expect.arrayContaining(refused(ways)));
  expect((await outcomes(closed)).filter((way) => way.endsWith("worked"))).toEqual([]);

  const networkIsolationSpec = { mode: 3, path: "", labels: new Map<string, string>() } as const;
  const own = await outcomes(open, {}, { networkIsolationSpec });
  // Datagrams are connected without anybody who listens.
  expect(own.filter((way) => /^SOCK_STREAM .* worked$/.test(way))).toEqual([]);
});
