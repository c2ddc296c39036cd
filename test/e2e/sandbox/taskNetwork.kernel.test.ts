import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { basename } from "node:path";
import { beforeAll, describe, expect, onTestFinished, type TestContext, test } from "vitest";
import { type Agent, pidOf, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const modes = { host: 0, group: 1, none: 3 } as const;

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent();
});

describe("a task's network", () => {
  test("is the host's by default", async () => {
    expect(networkOf(await started())).toBe(networkOf(process.pid));
  });

  test("is the host's in mode host", async () => {
    expect(networkOf(await started("host"))).toBe(networkOf(process.pid));
  });

  test("is the allocation's namespace in mode group", async (context) => {
    const path = namedNamespace(context);
    const pid = await started("group", path);
    expect(networkOf(pid)).toBe(`net:[${statSync(path).ino}]`);
    expect(interfacesOf(pid)).toEqual(["lo"]);
  });

  test("is the allocation's namespace in mode none, if the agent has made one", async (context) => {
    const path = namedNamespace(context);
    expect(networkOf(await started("none", path))).toBe(`net:[${statSync(path).ino}]`);
  });

  test("is a loopback interface of its own in mode none", async () => {
    const pid = await started("none");
    expect(networkOf(pid)).not.toBe(networkOf(process.pid));
    expect(interfacesOf(pid)).toEqual(["lo"]);
  });

  test("in mode none lets a task connect only to itself", async () => {
    const allocation = makeAllocation();
    const program = `
      use Socket;
      socket(my $server, PF_INET, SOCK_STREAM, 0) or die;
      bind($server, pack_sockaddr_in(0, INADDR_LOOPBACK)) or die; listen($server, 1) or die;
      my ($port) = unpack_sockaddr_in(getsockname($server));
      for my $address ("127.0.0.1", "192.0.2.1") {
        socket(my $socket, PF_INET, SOCK_STREAM, 0) or die;
        print "$address ", connect($socket, pack_sockaddr_in($port, inet_aton($address))) ? "up" : $!, "\\n";
      }`;
    const networkIsolationSpec = { mode: modes.none, path: "", labels: new Map<string, string>() };
    const config = allocation.config({ command: "perl", args: ["-e", program] }, { networkIsolationSpec });
    await runTask(agent, config);
    expect(await allocation.stdout.text()).toBe("127.0.0.1 up\n192.0.2.1 Network is unreachable\n");
  });

  test("of an allocation serves a proxy that reads its configuration from its own folder", async (context) => {
    requireTools(context, "haproxy");
    const path = namedNamespace(context);
    spawnSync("ip", ["-n", basename(path), "link", "set", "lo", "up"]);
    const networkIsolationSpec = { mode: modes.group, path, labels: new Map<string, string>() };
    const open = await startAgent({ options: { unveil_by_task: true } });
    const proxy = makeAllocation();
    const page = 'http-request return status 200 content-type text/plain string "served"';
    writeFileSync(
      `${proxy.taskFolder}/local/haproxy.cfg`,
      `defaults\n mode http\n timeout client 5s\nfrontend lb\n bind :8080\n ${page}\n`,
    );
    const haproxy = {
      command: "/usr/sbin/haproxy",
      args: ["-db", "-f", "local/haproxy.cfg"],
      unveil: ["rx:/usr/sbin/haproxy", "rwc:/dev/shm"],
    };
    await startTask(open, proxy.config(haproxy, { networkIsolationSpec }));
    const client = makeAllocation();
    const program = `
      use IO::Socket::INET; my $socket;
      for (1 .. 200) { $socket = IO::Socket::INET->new("127.0.0.1:8080") and last; select(undef, undef, undef, 0.05) }
      print $socket "GET / HTTP/1.0\\r\\n\\r\\n"; print <$socket>`;
    const get = { command: "perl", args: ["-e", program] };
    expect(await runTask(open, client.config(get, { networkIsolationSpec }))).toMatchObject({ exitCode: 0 });
    expect(await client.stdout.text()).toMatch(/^HTTP\/1.* 200 OK[\s\S]*served$/);
  });

  async function started(mode?: keyof typeof modes, path = ""): Promise<number> {
    const spec = mode && { mode: modes[mode], path, labels: new Map<string, string>() };
    const config = makeAllocation().config("exec sleep 1000", { networkIsolationSpec: spec });
    await startTask(agent, config);
    return pidOf(agent, config);
  }
});

describe("a task's /etc/resolv.conf", () => {
  const read = "cat /etc/resolv.conf; echo x > /etc/resolv.conf";

  test("has the group's dns block, and the host's file stays unchanged", async () => {
    const before = readFileSync("/etc/resolv.conf", "utf8");
    const allocation = makeAllocation();
    const dns = { servers: ["192.0.2.53", "2001:db8::53"], searches: ["example.org"], options: ["ndots:2"] };
    const { exitCode } = await runTask(agent, allocation.config(read, { dns }));
    expect(exitCode).not.toBe(0);
    expect(await allocation.stdout.text()).toBe(
      "nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch example.org\noptions ndots:2\n",
    );
    expect(readFileSync("/etc/resolv.conf", "utf8")).toBe(before);
  });

  test("is also the group's if the state folder is below /tmp, although tasks have their own /tmp", async () => {
    const folder = temporaryFolder("/tmp");
    const other = await startAgent({ stateDir: `${folder}/state` });
    const allocation = makeAllocation();
    const dns = { servers: ["192.0.2.53"], searches: [], options: [] };
    await runTask(other, allocation.config("cat /etc/resolv.conf", { dns }));
    expect(await allocation.stdout.text()).toBe("nameserver 192.0.2.53\n");
    await other.close();
  });

  test("is the host's without a dns block", async () => {
    const allocation = makeAllocation();
    await runTask(agent, allocation.config(read));
    expect(await allocation.stdout.text()).toBe(readFileSync("/etc/resolv.conf", "utf8"));
  });
});

describe("a task's host name", () => {
  const labels = new Map<string, string>();
  const script = "uname -n; cat /etc/hosts; echo x > /etc/hosts";

  test("is the host's by default, in the host's namespace", async () => {
    const config = makeAllocation().config("exec sleep 1000");
    await startTask(agent, config);
    expect(readlinkSync(`/proc/${await pidOf(agent, config)}/ns/uts`)).toBe(
      readlinkSync("/proc/self/ns/uts"),
    );
  });

  test("is the group's with its address in /etc/hosts, and the host's own name stays unchanged", async () => {
    const allocation = makeAllocation();
    const hostsConfig = { hostname: "web.example.org", address: "192.0.2.7" };
    const networkIsolationSpec = { mode: modes.none, path: "", labels, hostsConfig };
    const before = readFileSync("/etc/hosts", "utf8");
    expect(await runTask(agent, allocation.config(script, { networkIsolationSpec }))).toMatchObject({
      exitCode: 2,
    });
    const lines = (await allocation.stdout.text()).trim().split("\n");
    expect(lines).toContain("127.0.0.1 localhost");
    expect([lines[0], lines.at(-1)]).toEqual(["web.example.org", "192.0.2.7 web.example.org"]);
    expect([hostname(), readFileSync("/etc/hosts", "utf8")]).not.toContain("web.example.org");
    expect(readFileSync("/etc/hosts", "utf8")).toBe(before);
  });

  test.each(["two words", "a\nb", "-", "x".repeat(65)])("is refused as %j", async (name) => {
    const networkIsolationSpec = {
      mode: modes.none,
      path: "",
      labels,
      hostsConfig: { hostname: name, address: "" },
    };
    const config = makeAllocation().config("true", { networkIsolationSpec });
    await expect(startTask(agent, config)).rejects.toThrow(/CONFIG_INVALID: .* cannot be the name of a host/);
  });
});

describe("extra_hosts", () => {
  const extra_hosts = ["db.internal:192.0.2.5", "v6:2001:db8::5"];

  test("are added to the host's own in the host's network", async () => {
    const allocation = makeAllocation();
    await runTask(agent, allocation.config({ command: "cat", args: ["/etc/hosts"], extra_hosts }));
    const host = readFileSync("/etc/hosts", "utf8").trimEnd();
    expect(await allocation.stdout.text()).toBe(`${host}\n192.0.2.5 db.internal\n2001:db8::5 v6\n`);
  });

  test("are found by programs", async () => {
    const allocation = makeAllocation();
    const networkIsolationSpec = { mode: modes.none, path: "", labels: new Map<string, string>() };
    const command = { command: "getent", args: ["hosts", "db.internal"], extra_hosts };
    await runTask(agent, allocation.config(command, { networkIsolationSpec }));
    expect(await allocation.stdout.text()).toMatch(/^192\.0\.2\.5\s+db\.internal\n$/);
  });

  test("are refused if invalid", async () => {
    const config = makeAllocation().config({ command: "true", extra_hosts: ["db.internal"] });
    await expect(startTask(agent, config)).rejects.toThrow(/"extra_hosts" entry 1 must be a name, a colon/);
  });
});

function networkOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/ns/net`);
}

function interfacesOf(pid: number): string[] {
  const lines = readFileSync(`/proc/${pid}/net/dev`, "utf8").trimEnd().split("\n").slice(2);
  return lines.map((line) => line.slice(0, line.indexOf(":")).trim());
}

/** A network namespace with a name, as an agent makes one for an allocation. */
function namedNamespace(context: TestContext): string {
  requireTools(context, "ip");
  const name = `exec2-test-${process.pid}-${context.task.id}`;
  const ip = (verb: string) => {
    const { status, stderr } = spawnSync("ip", ["netns", verb, name], { encoding: "utf8" });
    if (status !== 0) throw new Error(`ip netns ${verb} failed: ${stderr}`);
  };
  ip("add");
  onTestFinished(() => ip("delete"));
  return `/var/run/netns/${name}`;
}
