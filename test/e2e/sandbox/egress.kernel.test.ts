/** Where a task may connect, with real sockets: by address and by name, in every kind of network. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, onTestFinished, type TestContext, test } from "vitest";
import { errorOfCall } from "../../../src/grpc/status.ts";
import type { EventData } from "../../../src/machines/events.ts";
import { type Agent, runTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { postgresPrograms } from "../../support/agent/programs.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { nameServer } from "../../support/host/nameServer.ts";
import { listeningPort, ownAddress } from "../../support/host/ownAddress.ts";
import { reachableNode } from "../../support/host/reachableNode.ts";
import { requireTools } from "../../support/host/requireTools.ts";

const modes = { group: 1, none: 3 } as const;
const node = reachableNode();

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent();
});

/** Connects to each argument, `tcp:HOST:PORT` or `udp:HOST:PORT`, and prints what happened. */
const program = `
  use Socket; $| = 1;
  for my $attempt (@ARGV) {
    my ($what, $host, $port) = split /:/, $attempt;
    my $address = inet_aton($host);
    if (!$address) { print "$attempt unknown\\n"; next }
    socket(my $socket, PF_INET, $what eq "udp" ? SOCK_DGRAM : SOCK_STREAM, 0) or die;
    print "$attempt ", connect($socket, pack_sockaddr_in($port, $address)) ? "ok" : $!, "\\n";
  }`;
const attempts = (...args: string[]) => ({ command: "perl", args: ["-e", program, ...args] });

/** The outcomes of a task's attempts. */
async function outcomesOf(config: Readonly<Record<string, unknown>>, plugin = agent, differing = {}) {
  const allocation = makeAllocation();
  await runTask(plugin, allocation.config(config, differing));
  const text = await allocation.stdout.text();
  return text.trimEnd().split("\n");
}

async function deniedOf(plugin: Agent, id: string): Promise<EventData<"denied">["refusals"]> {
  const events = await eventsOf(plugin.stateDir, id);
  return events.flatMap(({ type, data }) =>
    type === "denied" ? (data as EventData<"denied">).refusals : [],
  );
}

describe("in the host's network, a task", () => {
  test("reaches exactly what its list says, and its history has what it was refused", async () => {
    const [own, port, other] = [ownAddress(), await listeningPort(), await listeningPort()];
    const allocation = makeAllocation();
    const tries = [
      `tcp:${own}:${port}`,
      `tcp:${own}:${other}`,
      `tcp:127.0.0.1:${other}`,
      `udp:${own}:${port}`,
    ];
    const config = allocation.config({ ...attempts(...tries), egress: [`tcp:${own}:${port}`] });
    await runTask(agent, config);
    expect(await allocation.stdout.text()).toBe(
      [
        `tcp:${own}:${port} ok`,
        `tcp:${own}:${other} Operation not permitted`,
        `tcp:127.0.0.1:${other} ok`,
        `udp:${own}:${port} Operation not permitted\n`,
      ].join("\n"),
    );
    const denied = await deniedOf(agent, config.id);
    expect(denied.map(({ blockers: [blocker], object, count }) => [blocker, object, count])).toEqual([
      ["egress.tcp", `${own}:${other}`, 1],
      ["egress.udp", `${own}:${port}`, 1],
    ]);
    expect(denied.map(({ program: name }) => name)).toEqual(["perl", "perl"]);
  });

  test("reaches nothing but loopback with an empty list, and everything without one", async () => {
    const [own, port] = [ownAddress(), await listeningPort()];
    const tries = attempts(`tcp:${own}:${port}`, `tcp:127.0.0.1:${port}`);
    expect(await outcomesOf({ ...tries, egress: [] })).toEqual([
      `tcp:${own}:${port} Operation not permitted`,
      `tcp:127.0.0.1:${port} ok`,
    ]);
    expect(await outcomesOf(tries)).toEqual([`tcp:${own}:${port} ok`, `tcp:127.0.0.1:${port} ok`]);
  });

  test("has nothing of what an earlier run in its cgroup could or could not reach", async () => {
    const [own, port, other] = [ownAddress(), await listeningPort(), await listeningPort()];
    const allocation = makeAllocation();
    const tries = attempts(`tcp:${own}:${port}`, `tcp:${own}:${other}`);
    for (const lists of [{ egress: [`${own}:${port}`] }, {}, { egress: [] }, { egress: [`${own}:${other}`] }])
      await runTask(agent, allocation.config({ ...tries, ...lists }));
    const outcomes = (await allocation.stdout.text()).trimEnd().split("\n");
    expect(outcomes.map((line) => (line.endsWith(" ok") ? "ok" : "refused")).join(" ")).toBe(
      "ok refused ok ok refused refused refused ok",
    );
  });

  test("is limited by its lists of ports and of addresses at once", async () => {
    const [own, port, other] = [ownAddress(), await listeningPort(), await listeningPort()];
    const tries = attempts(`tcp:${own}:${port}`, `tcp:${own}:${other}`, `tcp:127.0.0.1:${other}`);
    expect(await outcomesOf({ ...tries, egress: [own], connect_tcp: [port] })).toEqual([
      `tcp:${own}:${port} ok`,
      `tcp:${own}:${other} Permission denied`,
      `tcp:127.0.0.1:${other} Permission denied`,
    ]);
  });

  test("does not reach what the client denies, with a list of its own or without", async () => {
    const [own, port] = [ownAddress(), await listeningPort()];
    const strict = await startAgent({ options: { egress_denied: [own] } });
    const tries = attempts(`tcp:${own}:${port}`, `tcp:127.0.0.1:${port}`);
    const expected = [`tcp:${own}:${port} Operation not permitted`, `tcp:127.0.0.1:${port} ok`];
    expect(await outcomesOf(tries, strict)).toEqual(expected);
    expect(await outcomesOf({ ...tries, egress: ["0.0.0.0/0"] }, strict)).toEqual(expected);
  });

  test("has a name asked for at its own name server only where the client lets it connect", async () => {
    const [own, port] = [ownAddress(), await listeningPort()];
    const names = nameServer({ "db.example.org": own }, own);
    const dns = { servers: [names.address], searches: [], options: [] };
    const tries = { ...attempts(`tcp:${own}:${port}`), egress: [`db.example.org:${port}`] };
    expect(await outcomesOf(tries, agent, { dns })).toEqual([`tcp:${own}:${port} ok`]);
    expect(names.asked).toContain("db.example.org");
    const before = names.asked.length;
    for (const denied of [`udp:${names.address}`, `tcp:${own}`, "0.0.0.0/0"]) {
      const strict = await startAgent({ options: { egress_denied: [denied] } });
      const config = makeAllocation().config(tries, { dns });
      await runTask(strict, config);
      const problem = `${names.address} is not asked: this client denies ${denied}`;
      expect(await namesAtStart(strict, config.id)).toEqual([["db.example.org", [], problem]]);
    }
    expect(names.asked).toHaveLength(before);
  });

  test("is refused with a list that its client does not allow", async () => {
    const strict = await startAgent({ options: { egress: ["10.0.0.0/8:443"], egress_denied: ["10.0.0.9"] } });
    const start = (egress: readonly string[]) =>
      outcomesOf({ ...attempts(), egress }, strict).catch((thrown: unknown) => errorOfCall(thrown));
    expect(await start(["10.0.0.1:443", "192.0.2.1"])).toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("192.0.2.1, but this client allows 10.0.0.0/8:443"),
    });
    expect(await start(["10.0.0.9:443"])).toMatchObject({
      message: expect.stringContaining("denies 10.0.0.9"),
    });
    expect(await start(["*.example.org"])).toMatchObject({ message: expect.stringContaining("wildcard") });
  });
});

/** Programs that connect to a host and a port: each prints what the server has sent, or why it cannot connect. */
const programs: Readonly<Record<string, (host: string, port: number) => string>> = {
  curl: (host, port) => `curl -sSv --max-time 20 http://${host}:${port}/`,
  Node: (host, port) =>
    `${node} -e 'fetch("http://${host}:${port}/").then((r) => r.text(), (e) => JSON.stringify(e.cause, ["code", "errors"])).then(console.log)'`,
  ...(existsSync(`${postgresPrograms}/psql`) && {
    psql: (host, port) =>
      `${postgresPrograms}/psql "host=${host} port=${port} user=u dbname=d sslmode=disable connect_timeout=20"`,
  }),
  // Written in Go, whose programs make their system calls and look names up without the C library.
  promtool: (host, port) => `GODEBUG=netdns=go promtool check healthy --url=http://${host}:${port}`,
};

describe.each(["host", "group"] as const)("in a network of mode %s", (mode) => {
  test.for(["address", "name"] as const)("programs reach exactly their list, by %s", async (by, context) => {
    requireTools(context, "curl", "promtool");
    const [name, address] = ["db.example.org", mode === "host" ? ownAddress() : "192.0.2.7"];
    const spec = mode === "host" ? undefined : groupNetwork(context, [address]);
    const [port, other] = await served(address, spec?.path);
    const host = by === "name" ? name : address;
    const attempt = (program: string, at: number) =>
      `said=$(${programs[program]?.(host, at)} 2>&1); case "$said" in *served*|*SUCCESS*) echo ${program} reached;; *"not permitted"*|*EPERM*) echo ${program} refused;; *) echo "${program}: $said";; esac`;
    const script = Object.keys(programs).flatMap((each) => [attempt(each, port), attempt(each, other)]);
    const names = nameServer({ [name]: address }, mode === "host" ? undefined : ownAddress());
    const open = await startAgent({ options: { unveil_by_task: true } });
    const allocation = makeAllocation();
    const config = allocation.config(
      {
        ...{ command: "sh", args: ["-c", script.join("\n")], unveil: [`rx:${node}`], identity_files: true },
        ...{ unveil_sets: ["postgres"], egress: [`tcp:${host}:${port}`] },
      },
      {
        resources: allocation.resources(undefined, 600),
        dns: { servers: [names.address], searches: [], options: [] },
        ...(spec && { networkIsolationSpec: spec }),
      },
    );
    await runTask(open, config);
    expect(await allocation.stdout.text()).toBe(
      Object.keys(programs)
        .flatMap((each) => [`${each} reached\n`, `${each} refused\n`])
        .join(""),
    );
  });
});

/** A server at two ports of an address. @param namespace its network namespace; undefined for the host's */
async function served(address: string, namespace: string | undefined): Promise<readonly [number, number]> {
  const command = [
    process.execPath,
    fileURLToPath(new URL("../../fixtures/egress/server.js", import.meta.url)),
  ];
  const [first = "", ...rest] = namespace
    ? ["nsenter", `--net=${namespace}`, ...command, address]
    : [...command, address];
  const server = spawn(first, rest, { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void server.kill());
  const [line] = (await once(server.stdout.setEncoding("utf8"), "data")) as [string];
  const [port = 0, other = 0] = line.split(" ").map(Number);
  return [port, other];
}

describe("in a network of its own, a task", () => {
  test("reaches exactly its list in mode group, after the plugin was killed, and in commands", async (context) => {
    const spec = groupNetwork(context, ["192.0.2.7", "198.51.100.7", "198.51.100.9"]);
    const names = nameServer({ "db.example.org": "198.51.100.7" }, ownAddress());
    const allocation = makeAllocation();
    const open = allocation.gate();
    const again = `perl -e '${program}' tcp:db.example.org:1 tcp:198.51.100.7:1 tcp:198.51.100.9:1 tcp:192.0.2.7:1`;
    const script = `${again}; read -r _ < $NOMAD_TASK_DIR/gate; ${again}`;
    const dns = { servers: [names.address], searches: [], options: [] };
    const config = allocation.config(
      { command: "sh", args: ["-c", script], egress: ["db.example.org", "192.0.2.0/24:1"] },
      { networkIsolationSpec: spec, dns },
    );
    const own = await startAgent();
    const handle = await startTask(own, config);
    // Nobody listens there: a refused connection is one that was allowed.
    const reached = (one: string, other: string) =>
      [
        "tcp:db.example.org:1 Connection refused",
        `tcp:198.51.100.7:1 ${one}`,
        `tcp:198.51.100.9:1 ${other}`,
        "tcp:192.0.2.7:1 Connection refused\n",
      ].join("\n");
    const [allowed, refused] = ["Connection refused", "Operation not permitted"];
    await allocation.stdout.contains(reached(allowed, refused));
    await eventually(async () => expect(await deniedOf(own, config.id)).toHaveLength(1));
    await own.crash();
    names.set({ "db.example.org": "198.51.100.9" });

    const next = await startAgent({ stateDir: own.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    await eventually(async () => expect(await namesIn(next, config.id)).toEqual(["198.51.100.9"]));
    const exec = await execScript(next, config.id, `cat /etc/hosts; perl -e '${program}' tcp:198.51.100.7:1`);
    expect(exec.stdout.toString()).toMatch(
      /198\.51\.100\.9 db\.example\.org[\s\S]*tcp:198\.51\.100\.7:1 Operation not/,
    );
    const ended = waitTask(next, config);
    open();
    await ended;
    expect(await allocation.stdout.text()).toBe(reached(allowed, refused) + reached(refused, allowed));
    const denied = await deniedOf(next, config.id);
    expect(new Set(denied.map(({ object }) => object))).toEqual(
      new Set(["198.51.100.7:1", "198.51.100.9:1"]),
    );
  });

  test("starts although a name has no address, and its history says why", async (context) => {
    const spec = groupNetwork(context, ["198.51.100.7"]);
    const names = nameServer({}, ownAddress());
    const allocation = makeAllocation();
    const dns = { servers: [names.address], searches: [], options: [] };
    const config = allocation.config(
      { ...attempts("tcp:198.51.100.7:1"), egress: ["gone.example.org:1"] },
      { networkIsolationSpec: spec, dns },
    );
    await runTask(agent, config);
    expect(await allocation.stdout.text()).toBe("tcp:198.51.100.7:1 Operation not permitted\n");
    expect(await namesAtStart(agent, config.id)).toEqual([["gone.example.org", [], "there is no such name"]]);
  });

  test("does not say by its name server where a name of the client's list leads", async (context) => {
    const [name, address] = ["internal.exec2.test", "198.51.100.8"];
    const spec = groupNetwork(context, [address]);
    const names = nameServer({ [name]: address }, ownAddress());
    const dns = { servers: [names.address], searches: [], options: [] };
    const [port] = await served(address, spec.path);
    const tries = { ...attempts(`tcp:${address}:${port}`), egress: [`${name}:${port}`] };
    const outcomes = [];
    for (const egress of [["0.0.0.0/0", "::/0"], [name]])
      outcomes.push(
        await outcomesOf(tries, await startAgent({ options: { egress } }), {
          networkIsolationSpec: spec,
          dns,
        }),
      );
    expect(outcomes).toEqual([
      [`tcp:${address}:${port} ok`],
      [`tcp:${address}:${port} Operation not permitted`],
    ]);
  });

  test("has no name asked for on the host's loopback device", async (context) => {
    const spec = groupNetwork(context, ["198.51.100.7"]);
    const names = nameServer({ "db.example.org": "198.51.100.7" });
    const config = makeAllocation().config(
      { ...attempts("tcp:198.51.100.7:1"), egress: ["db.example.org:1"] },
      { networkIsolationSpec: spec, dns: { servers: [names.address], searches: [], options: [] } },
    );
    await runTask(agent, config);
    expect(names.asked).toEqual([]);
    const problem = `${names.address} is not asked: it is in the task's own network`;
    expect(await namesAtStart(agent, config.id)).toEqual([["db.example.org", [], problem]]);
  });

  test("is refused rather than without a route in mode none", async () => {
    const networkIsolationSpec = { mode: modes.none, path: "", labels: new Map<string, string>() };
    const tries = attempts("tcp:192.0.2.1:1", "tcp:127.0.0.1:1");
    expect(await outcomesOf({ ...tries, egress: [] }, agent, { networkIsolationSpec })).toEqual([
      "tcp:192.0.2.1:1 Operation not permitted",
      "tcp:127.0.0.1:1 Connection refused",
    ]);
  });
});

/** The names of a task when it started, with their addresses, and why they had none. */
async function namesAtStart(
  plugin: Agent,
  id: string,
): Promise<[string, readonly string[], string | null][]> {
  const sandboxed = (await eventsOf(plugin.stateDir, id)).find(({ type }) => type === "sandboxed");
  const names = (sandboxed?.data as EventData<"sandboxed"> | undefined)?.egress?.names ?? [];
  return names.map(({ name, addresses, problem }) => [name, addresses, problem]);
}

/** The addresses of names in a task's last event about them. */
async function namesIn(plugin: Agent, id: string): Promise<string[]> {
  const events = await eventsOf(plugin.stateDir, id);
  const resolved = events.filter(({ type }) => type === "namesResolved").at(-1);
  return (
    (resolved?.data as EventData<"namesResolved"> | undefined)?.names.flatMap(({ addresses }) => addresses) ??
    []
  );
}

/** An allocation's network namespace with these addresses. */
function groupNetwork(context: TestContext, addresses: readonly string[]) {
  requireTools(context, "ip");
  const name = `exec2-egress-${process.pid}-${context.task.id}`;
  const ip = (...args: string[]) => {
    const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`ip ${args.join(" ")} failed: ${stderr}`);
  };
  ip("netns", "add", name);
  onTestFinished(() => ip("netns", "delete", name));
  const path = `/var/run/netns/${name}`;
  // Addresses of the loopback interface are reached like others, but they are not loopback addresses.
  ip("-n", basename(path), "link", "set", "lo", "up");
  for (const address of addresses) ip("-n", basename(path), "addr", "add", `${address}/32`, "dev", "lo");
  return { mode: modes.group, path, labels: new Map<string, string>() };
}
