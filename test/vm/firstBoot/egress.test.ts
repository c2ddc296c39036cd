/** Where tasks may connect, in every kind of network that an agent gives them. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { NetworkIsolationSpec_NetworkIsolationMode as Mode } from "../../../src/grpc/generated/nomad/driver.ts";
import { connectPlugin } from "../../../src/grpc/pluginClient.ts";
import { runTask, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { shareSlice } from "../support/prepareGuest.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { resourcesOf } from "../support/runningTask.ts";
import { plugin, sharedAgent, startVmAgent } from "../support/vmAgent.ts";

/** Connects to each argument, `HOST:PORT`, and prints what it reads from there, or why it cannot connect. */
const program = `use Socket; $| = 1; $SIG{ALRM} = sub { die "nothing came\\n" }; alarm 20;
  for my $to (@ARGV) {
    my ($host, $port) = split /:/, $to;
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or die;
    my $is = connect($socket, pack_sockaddr_in($port, inet_aton($host))) ? <$socket> : $!;
    chomp $is;
    print "$to $is\\n";
  }`;
const perl = (...to: readonly string[]) => `perl -e '${program}' ${to.join(" ")}`;
const [refused, unheard] = ["Operation not permitted", "Connection refused"];

describe("egress", () => {
  test("in the host's network a task reaches exactly its list", async () => {
    const host = ownAddress("exec2-own", "192.0.2.1");
    const [port, other] = [await serve(host, "served"), await serve(host, "served")];
    assert.deepEqual(
      await outcomes([`${host}:${port}`, `${host}:${other}`, "127.0.0.1:1"], [`${host}:${port}`]),
      [`${host}:${port} served`, `${host}:${other} ${refused}`, `127.0.0.1:1 ${unheard}`],
    );
  });

  test("in a bridge's network it does so after the agent and the plugin were restarted, in commands and checks", async () => {
    const { path, bridge } = bridged();
    const [port, other] = [await serve(bridge, "served"), await serve(bridge, "served")];
    const tries = perl(`${bridge}:${port}`, `${bridge}:${other}`);
    const expected = `${bridge}:${port} served\n${bridge}:${other} ${refused}\n`;
    const allocation = makeAllocation({ slice: shareSlice });
    const open = allocation.gate();
    const script = `${tries}; read -r _ < $NOMAD_TASK_DIR/gate; ${tries}`;
    const config = allocation.config(
      { command: "sh", args: ["-c", script], egress: [`${bridge}:${port}`] },
      { resources: resourcesOf(allocation, {}), networkIsolationSpec: isolation(Mode.GROUP, path) },
    );
    const first = await startVmAgent({});
    const handle = await startTask(first, config);
    await allocation.stdout.contains(expected);

    // Another agent finds the plugin at its socket.
    const second = connectPlugin(first.socketPath);
    await second.driver.recoverTask({ taskId: "", handle });
    const check = await second.driver.execTask({
      ...{ taskId: config.id, command: ["sh", "-c", tries], timeout: { seconds: 60, nanos: 0 } },
    });
    assert.equal(`${check.stdout}`, expected);
    second.disconnect();

    await first.crash();
    const next = await startVmAgent({}, first.stateDir);
    await next.driver.recoverTask({ taskId: "", handle });
    const command = await execScript(next, config.id, tries);
    await command.result;
    assert.equal(`${command.stdout}`, expected);
    const ended = waitTask(next, config);
    open();
    await ended;
    assert.equal(await allocation.stdout.text(), expected + expected);
    // It starts two plugins of its own.
  }, 240_000);

  test("in a bridge's network a connection to what an operator removes is ended, and no other is", async () => {
    const { path, bridge } = bridged();
    const [kept, removed] = [await serve(bridge, undefined), await serve(bridge, undefined)];
    const agent = await sharedAgent();
    const allocation = makeAllocation({ slice: shareSlice });
    const hold = `use Socket; $| = 1; my $port = shift;
      socket(my $socket, PF_INET, SOCK_STREAM, 0) or die;
      connect($socket, pack_sockaddr_in($port, inet_aton("${bridge}"))) or die "$!";
      print "$port held\n"; sysread($socket, my $byte, 1); print "$port $!\n";`;
    const script = `perl -e '${hold}' ${kept} & perl -e '${hold}' ${removed}; exec sleep 1000`;
    const config = allocation.config(
      { command: "sh", args: ["-c", script], egress: [`${bridge}:${kept}`, `${bridge}:${removed}`] },
      { resources: resourcesOf(allocation, {}), networkIsolationSpec: isolation(Mode.GROUP, path) },
    );
    await startTask(agent, config);
    for (const port of [kept, removed]) await allocation.stdout.contains(`${port} held\n`);
    const verb = ["egress", config.id, "--remove", `${bridge}:${removed}`, "--state-dir", agent.stateDir];
    assert.equal(
      execFileSync(plugin, verb, { encoding: "utf8" }),
      `${bridge}:${kept}\n1 connection ended: tcp ${bridge}:${removed}\n`,
    );
    await allocation.stdout.contains(`${removed} Software caused connection abort\n`);
    await agent.driver.stopTask({ taskId: config.id, timeout: { seconds: 0, nanos: 0 }, signal: "" });
    await agent.driver.destroyTask({ taskId: config.id, force: true });
    assert.equal((await allocation.stdout.text()).includes(`${kept} Software`), false);
  });

  test("behind a transparent proxy the list has the places that the task asks for", async () => {
    // As Consul's CNI plugin does it: connections of the namespace are redirected to a port of its own.
    const { path, name, bridge } = bridged();
    execFileSync("ip", ["netns", "exec", name, "nft", "-f", "-"], {
      input: `table ip proxy {
        chain output {
          type nat hook output priority -100;
          ip daddr 198.51.100.0/24 tcp dport 80 redirect to :15001
        }
      }
`,
    });
    const proxy = spawn("ip", [
      ...["netns", "exec", name, "busybox", "nc", "-ll", "-p", "15001", "-e", "echo", "proxied"],
    ]);
    await once(proxy, "spawn");
    onTestFinished(() => void proxy.kill());
    const port = await serve(bridge, "served");
    const tries = ["198.51.100.7:80", "198.51.100.9:80", `${bridge}:${port}`];
    const spec = isolation(Mode.GROUP, path);
    // The proxy listens a moment after it has been spawned.
    const wait = `until ${perl("127.0.0.1:15001")} | grep proxied > /dev/null; do sleep 0.2; done`;
    assert.deepEqual(await outcomes(tries, ["198.51.100.7:80"], spec, wait), [
      "198.51.100.7:80 proxied",
      `198.51.100.9:80 ${refused}`,
      `${bridge}:${port} ${refused}`,
    ]);
  });

  test("in mode none it is refused what it lacks, and reaches its loopback", async () => {
    assert.deepEqual(await outcomes(["192.0.2.1:1", "127.0.0.1:1"], [], isolation(Mode.NONE, "")), [
      `192.0.2.1:1 ${refused}`,
      `127.0.0.1:1 ${unheard}`,
    ]);
  });
});

/** What a task's attempts come to. @param before a command of the task before its attempts */
async function outcomes(
  to: readonly string[],
  egress: readonly string[],
  networkIsolationSpec?: ReturnType<typeof isolation>,
  before = ":",
): Promise<string[]> {
  const allocation = makeAllocation({ slice: shareSlice });
  const config = allocation.config(
    { command: "sh", args: ["-c", `${before}; ${perl(...to)}`], egress },
    { resources: resourcesOf(allocation, {}), ...(networkIsolationSpec && { networkIsolationSpec }) },
  );
  await runTask(await sharedAgent(), config);
  return (await allocation.stdout.text()).trimEnd().split("\n");
}

/** A server of this process that writes a line to whoever connects, or holds the connection. @returns its port */
async function serve(host: string, line: string | undefined): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    if (line !== undefined) socket.end(line);
  }).listen(0, host);
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Gives the machine an address that is not loopback. */
function ownAddress(link: string, address: string): string {
  ip(`link add ${link} type dummy`);
  onTestFinished(() => ip(`link delete ${link}`));
  ip(`addr add ${address}/32 dev ${link}`);
  ip(`link set ${link} up`);
  return address;
}

/** An allocation's namespace behind a bridge of the host, as for `mode = "bridge"`. */
function bridged() {
  const [name, bridge] = ["exec2-bridged", "172.26.64.1"];
  ip(`netns add ${name}`);
  onTestFinished(() => ip(`netns delete ${name}`));
  ip("link add exec2-bridge type bridge");
  onTestFinished(() => ip("link delete exec2-bridge"));
  ip(`addr add ${bridge}/20 dev exec2-bridge`);
  ip("link set exec2-bridge up");
  ip(`link add exec2-veth type veth peer name eth0 netns ${name}`);
  ip("link set exec2-veth master exec2-bridge up");
  ip(`-n ${name} addr add 172.26.64.2/20 dev eth0`);
  for (const link of ["lo", "eth0"]) ip(`-n ${name} link set ${link} up`);
  ip(`-n ${name} route add default via ${bridge}`);
  return { path: `/var/run/netns/${name}`, name, bridge };
}

function ip(words: string): void {
  execFileSync("ip", words.split(" "));
}

function isolation(mode: Mode, path: string) {
  return { mode, path, labels: new Map<string, string>(), hostsConfig: undefined };
}
