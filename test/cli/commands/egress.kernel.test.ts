/** `egress`: where a running task may connect, shown and changed by the program itself, with real sockets. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Agent, readyTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { ownAddress } from "../../support/host/ownAddress.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, jobFileOf, start } from "../../support/screen/commandLine.ts";

const agent = await startAgent();
const own = ownAddress();

/** A server whose connections stay open. */
async function holdingServer() {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  }).listen(0, "0.0.0.0");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { place: `${own}:${port}`, open: () => sockets.size };
}

/** Connects to each `PROTOCOL:HOST:PORT`, holds what it has, and says once for each which of them have ended. */
const holder = `
  use Socket; use Errno; $| = 1; my %held;
  for my $to (@ARGV) {
    my ($how, $host, $port) = split /:/, $to;
    socket(my $socket, PF_INET, $how eq "udp" ? SOCK_DGRAM : SOCK_STREAM, 0) or die;
    connect($socket, pack_sockaddr_in($port, inet_aton($host))) or die "$to: $!";
    $held{$to} = $socket;
  }
  print "up\\n";
  while (1) {
    for my $to (keys %held) {
      my $socket = $held{$to};
      next if defined send($socket, "x", 0x4000) or $!{EAGAIN} or $!{ECONNREFUSED};
      print "ended $to\\n";
      delete $held{$to};
    }
    select undef, undef, undef, 0.05;
  }`;

/** Prints for a place whether a new connection gets there. */
const tryScript = (place: string) => {
  const [host, port] = place.split(":");
  return `perl -e 'use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0); print connect($s, pack_sockaddr_in(${port}, inet_aton("${host}"))) ? "ok" : $!'`;
};

async function holding(egress: readonly string[] | undefined, to: readonly string[], plugin = agent) {
  const task = await readyTask(plugin, {
    command: "perl",
    args: ["-e", holder, ...to],
    ...(egress && { egress }),
  });
  const { id } = task.config;
  return {
    ...task,
    egress: (...args: string[]) => call(["egress", id, ...args, "--state-dir", plugin.stateDir]),
    verb: (...args: string[]) => call([...args, "--state-dir", plugin.stateDir]),
    reaches: async (place: string, by: Agent = plugin) =>
      (await execScript(by, id, tryScript(place))).stdout.toString(),
  };
}

it("adds, removes and replaces entries, and ends the connections to what was removed, of this task only", async () => {
  const [one, two, three] = [await holdingServer(), await holdingServer(), await holdingServer()];
  const list = [one.place, two.place];
  const task = await holding(list, [`tcp:${one.place}`, `tcp:${two.place}`, `udp:${two.place}`]);
  // Its connection stays.
  await holding(list, [`tcp:${two.place}`]);
  expect((await task.egress()).stdout).toBe(list.map((each) => `${each}  the job\n`).join(""));
  expect(await task.reaches(three.place)).toBe("Operation not permitted");

  const { id } = task.config;
  expect(await task.egress("--add", `tcp:${three.place}`, "--reason", "ticket 4711")).toEqual({
    code: 0,
    stdout: `${[...list, `tcp:${three.place}`].join(", ")}\n`,
    stderr: "",
  });
  expect(await task.reaches(three.place)).toBe("ok");
  expect((await task.egress()).stdout).toMatch(
    new RegExp(`tcp:${three.place}  added by root, .*: ticket 4711\n`),
  );

  const removed = await task.egress("--remove", two.place);
  expect(removed).toMatchObject({ code: 0, stderr: "" });
  expect(removed.stdout).toContain(`2 connections ended: tcp ${two.place}, udp ${two.place}\n`);
  await task.allocation.stdout.contains(`ended tcp:${two.place}`);
  await task.allocation.stdout.contains(`ended udp:${two.place}`);
  await expect.poll(two.open).toBe(1);
  expect(one.open()).toBe(1);
  expect(await task.reaches(two.place)).toBe("Operation not permitted");
  expect(await task.reaches(one.place)).toBe("ok");

  expect((await task.egress("--set", `${three.place} ${one.place}`)).stdout).toBe(
    `${three.place}, ${one.place}\n`,
  );
  expect((await task.egress("--set", "")).stdout).toMatch(/^only loopback\n1 connection ended: tcp /);
  expect(await task.reaches(one.place)).toBe("Operation not permitted");

  const events = (await task.verb("events", id)).stdout;
  expect(events).toMatch(/egressChanged +running +root added tcp:\S+ to its egress \(ticket 4711\)/);
  expect(events).toMatch(/egressChanged +running +root removed \S+ from its egress/);
  expect((await task.verb("why", id)).stdout).toMatch(/Operator root .* its egress, the last of 4 times/);
  expect(await task.verb("may", id, "connect", one.place)).toMatchObject({ code: 1 });
  expect((await task.verb("replay", id, "--check")).code).toBe(0);
});

describe("an entry", () => {
  it("is refused beyond the client's list, and within what it denies, as at a start", async () => {
    const strict = await startAgent({
      options: { egress: ["192.0.2.0/24", own], egress_denied: ["192.0.2.9"] },
    });
    const task = await holding([own], [], strict);
    for (const [entry, why] of [
      ["198.51.100.7", "The change adds 198.51.100.7, but this client allows 192.0.2.0/24"],
      ["192.0.2.9:443", "The change adds 192.0.2.9:443, but this client denies 192.0.2.9"],
      ["*.example.org", "has a wildcard"],
    ] as const) {
      const refused = await task.egress("--add", entry);
      expect(refused).toMatchObject({ code: 1, stdout: "" });
      expect(refused.stderr).toContain("CONFIG_INVALID");
      expect(refused.stderr).toContain(why);
    }
    expect((await task.egress("--remove", "192.0.2.7")).stderr).toContain("has no entry 192.0.2.7");
    expect((await task.egress()).stdout).toBe(`${own}  the job\nnever: 192.0.2.9\n`);
    expect((await task.egress("--add", "192.0.2.7")).code).toBe(0);
  });

  it("cannot be given to a task without a list, or by who is not root", async () => {
    const task = await holding(undefined, []);
    expect((await task.egress()).stdout).toBe("everything that its network reaches\n");
    const refused = await task.egress("--set", own);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("UNSUPPORTED");
    const args = ["egress", task.config.id, "--set", own, "--state-dir", agent.stateDir];
    expect((await call(args, { unprivileged: true })).code).not.toBe(0);
  });
});

it("holds without the plugin, and is what the next plugin goes on with; the next start has the job's list", async () => {
  const [one, two] = [await holdingServer(), await holdingServer()];
  const plugin = await startAgent();
  const task = await holding([one.place], [`tcp:${one.place}`], plugin);
  expect(await task.egress("--set", two.place)).toMatchObject({ code: 0, stderr: "" });
  await task.allocation.stdout.contains(`ended tcp:${one.place}`);
  await plugin.crash();
  const next = await startAgent({ stateDir: plugin.stateDir });
  await next.driver.recoverTask({ taskId: task.config.id, handle: task.handle });
  expect(await task.reaches(one.place, next)).toBe("Operation not permitted");
  expect(await task.reaches(two.place, next)).toBe("ok");
  expect((await task.egress()).stdout).toMatch(/^\S+ +added by root, .*\n$/);
  expect((await task.egress("--add", one.place)).code).toBe(0);
  expect(await task.reaches(one.place, next)).toBe("ok");

  await next.driver.stopTask({
    taskId: task.config.id,
    timeout: { seconds: 0, nanos: 0 },
    signal: "SIGKILL",
  });
  await next.driver.destroyTask({ taskId: task.config.id, force: true });
  const again = task.allocation.config({ command: "sleep", args: ["1000"], egress: [one.place] });
  await startTask(next, again);
  const shown = await call(["egress", again.id, "--state-dir", plugin.stateDir]);
  expect(shown.stdout).toBe(`${one.place}  the job\n`);
});

it("is changed for a task of a local run", async () => {
  const stateDir = temporaryFolder();
  const verb = (...args: string[]) => call([...args, "--state-dir", stateDir]);
  const job = jobFileOf(`
job "test" {
  group "group" {
    task "task" {
      driver = "exec2"
      config {
        command = "sh"
        args    = ["-c", "echo up; exec sleep 1000"]
        egress  = ["192.0.2.7"]
      }
    }
  }
}
`);
  const run = start(["run", "--state-dir", stateDir, job]);
  await run.seen("up");
  expect(await verb("egress", "task", "--set", "192.0.2.8")).toEqual({
    code: 0,
    stdout: "192.0.2.8\n",
    stderr: "",
  });
  expect((await verb("may", "task", "connect", "192.0.2.7:80")).code).toBe(1);
  expect((await verb("may", "task", "connect", "192.0.2.8:80")).code).toBe(0);
  expect(JSON.parse((await verb("egress", "task", "--json")).stdout)).toMatchObject({
    allowed: [{ entry: "192.0.2.8", from: expect.stringMatching(/^added by /) }],
  });
});
