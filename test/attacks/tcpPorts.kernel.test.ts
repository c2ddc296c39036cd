/**
 * Attempts to bypass connect_tcp and bind_tcp. The filter stops those that Landlock alone does not stop,
 * except for one known gap.
 */
import { type AddressInfo, createServer, type Server } from "node:net";
import { describe, expect, it, onTestFinished, type TestContext } from "vitest";
import { readKernelFile } from "../../src/effects/kernel/kernelFiles.ts";
import type { PortLimits } from "../../src/effects/network/ports.ts";
import { leaveOut } from "../support/host/requireTools.ts";
import { filterOf, TestRun } from "../support/launch/launchRun.ts";

/** The output of a task that Landlock limits to these ports. */
async function attempt(script: string, ports: PortLimits, isFiltered: boolean): Promise<string> {
  using run = new TestRun(undefined, ports);
  const filter = isFiltered ? filterOf({}, ports) : undefined;
  await run.start({ command: "/usr/bin/perl", args: ["-MSocket", "-e", script], filter });
  await run.ended();
  return run.output().trim();
}

describe("connect_tcp", () => {
  const none = { connectTcp: [] };

  it("refuses an ordinary connection", async () => {
    const { port } = await server();
    expect(await attempt(connecting(port), none, false)).toBe("Permission denied");
    expect(await attempt(connecting(port), { connectTcp: [port] }, true)).toBe("connected");
  });

  it("cannot be bypassed with the filter by TCP Fast Open, which connects by sending", async (context) => {
    requireSysctl(context, "net/ipv4/tcp_fastopen", (value) => (value & 1) !== 0);
    const { port, connections } = await server();
    const script = `
      socket(my $socket, PF_INET, SOCK_STREAM, 0) or die;
      my $sent = send($socket, "hello", 0x20000000, pack_sockaddr_in(${port}, INADDR_LOOPBACK));
      print $sent ? "sent" : $!;`;
    const unfiltered = await attempt(script, none, false);
    // Landlock itself judges this way of connecting in newer kernels (6.18.44 does, 6.12 does not).
    expect(["sent", "Permission denied"]).toContain(unfiltered);
    const made = unfiltered === "sent" ? 1 : 0;
    await expect.poll(() => connections()).toBe(made);
    expect(await attempt(script, none, true)).toBe("Operation not supported");
    expect(connections()).toBe(made);
  });

  it("applies even without the filter to TCP Fast Open that connects first", async (context) => {
    requireSysctl(context, "net/ipv4/tcp_fastopen", (value) => (value & 1) !== 0);
    const { port } = await server();
    const TCP_FASTOPEN_CONNECT = 30;
    const script = connecting(port, { option: TCP_FASTOPEN_CONNECT });
    expect(await attempt(script, none, false)).toBe("Permission denied");
  });

  it("can be bypassed by Multipath TCP only without the filter", async (context) => {
    requireSysctl(context, "net/mptcp/enabled", (value) => value === 1);
    const { port } = await server();
    const script = connecting(port, { protocol: 262 });
    expect(await attempt(script, none, false)).toBe("connected");
    expect(await attempt(script, none, true)).toBe("no socket: Protocol not supported");
  });
});

it("a task cannot select an upper-layer protocol for a TCP socket", async () => {
  const TCP_ULP = 31;
  // Without a name, since the kernel may have no such protocol.
  const script = `
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or die;
    print setsockopt($socket, 6, ${TCP_ULP}, "") ? "set" : $!;`;
  expect(await attempt(script, { connectTcp: [] }, false)).toBe("Invalid argument");
  expect(await attempt(script, { connectTcp: [] }, true)).toBe("No such file or directory");
});

describe("bind_tcp", () => {
  const binding = (protocol: number) => `
    socket(my $socket, PF_INET, SOCK_STREAM, ${protocol}) or do { print "no socket: $!"; exit };
    print bind($socket, pack_sockaddr_in(0, INADDR_LOOPBACK)) ? "bound" : $!;`;
  const listening = `
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or die;
    my $listens = listen($socket, 1);
    my ($port) = $listens ? unpack_sockaddr_in(getsockname($socket)) : ();
    print $listens ? "listens on " . ($port > 0 ? "a port" : "none") : $!;`;

  it("refuses an ordinary server", async () => {
    expect(await attempt(binding(0), { bindTcp: [] }, false)).toBe("Permission denied");
    expect(await attempt(binding(0), { bindTcp: [0] }, true)).toBe("bound");
  });

  it("can be bypassed by listening without binding only without the filter", async () => {
    expect(await attempt(listening, { bindTcp: [] }, false)).toBe("listens on a port");
    expect(await attempt(listening, { bindTcp: [] }, true)).toBe("Permission denied");
    expect(await attempt(listening, { bindTcp: [0] }, true)).toBe("listens on a port");
  });

  it("can be bypassed by listening without binding if the list has ports, even with the filter: a known gap", async () => {
    // Landlock has no hook for listen(2), and a filter cannot tell whether a socket has a port.
    expect(await attempt(listening, { bindTcp: [8080] }, true)).toBe("listens on a port");
    expect(await attempt(binding(0), { bindTcp: [8080] }, true)).toBe("Permission denied");
  });

  it("can be bypassed by Multipath TCP only without the filter", async (context) => {
    requireSysctl(context, "net/mptcp/enabled", (value) => value === 1);
    expect(await attempt(binding(262), { bindTcp: [] }, false)).toBe("bound");
    expect(await attempt(binding(262), { bindTcp: [] }, true)).toBe("no socket: Protocol not supported");
  });
});

function connecting(
  port: number,
  { protocol = 0, option }: { protocol?: number; option?: number } = {},
): string {
  return `
    socket(my $socket, PF_INET, SOCK_STREAM, ${protocol}) or do { print "no socket: $!"; exit };
    ${option === undefined ? "" : `setsockopt($socket, 6, ${option}, pack("i", 1)) or die "no option: $!\\n";`}
    my $connected = connect($socket, pack_sockaddr_in(${port}, INADDR_LOOPBACK));
    $connected &&= send($socket, "hello", 0) if ${option === undefined ? 0 : 1};
    print $connected ? "connected" : $!;`;
}

/** A server on the host, and its number of connections. */
async function server(): Promise<{ port: number; connections: () => number }> {
  let count = 0;
  const listener: Server = createServer((socket) => {
    count += 1;
    socket.on("error", () => undefined).destroy();
  });
  onTestFinished(() => void listener.close());
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return { port: (listener.address() as AddressInfo).port, connections: () => count };
}

function requireSysctl(context: TestContext, name: string, isFit: (value: number) => boolean): void {
  if (!isFit(Number(readKernelFile(`/proc/sys/${name}`))))
    leaveOut(context, `the sysctl ${name.replaceAll("/", ".")}`);
}
