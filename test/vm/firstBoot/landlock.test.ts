import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { abiWith, type LandlockRight } from "../../../src/effects/landlock/rights.ts";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import { waitTask } from "../../support/agent/agent.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { startVmTask } from "../support/runningTask.ts";
import { eventData } from "../support/vmAgent.ts";

/** As root, so that file modes refuse nothing. */
const user = { name: "root", uid: 0, gid: 0 };

interface Right {
  /** The mode letters that grant the right; empty if none does. */
  readonly letters: string;
  /** Perl that uses the right in the folder `$d`, and is true if that worked. */
  readonly attempt: string;
  /** The kernel's answer if the right is granted. */
  readonly allowed?: string;
}

const mknod = 133;

type FileRight = Extract<LandlockRight, `fs.${string}`>;

/** Every access right of files. */
const rights: Readonly<Record<FileRight, Right>> = {
  // The kernel opens a program for reading.
  "fs.execute": { letters: "rx", attempt: '(system { "$d/true" } "true") == 0' },
  "fs.write_file": { letters: "w", attempt: 'sysopen $f, "$d/file", O_WRONLY' },
  "fs.read_file": { letters: "r", attempt: 'sysopen $f, "$d/file", O_RDONLY' },
  "fs.read_dir": { letters: "r", attempt: "opendir $f, $d" },
  "fs.remove_dir": { letters: "c", attempt: 'rmdir "$d/empty"' },
  "fs.remove_file": { letters: "c", attempt: 'unlink "$d/file"' },
  "fs.make_char": { letters: "", attempt: `syscall(${mknod}, "$d/new", 0020600, 0x103) == 0` },
  "fs.make_dir": { letters: "c", attempt: 'mkdir "$d/new"' },
  "fs.make_reg": { letters: "c", attempt: `syscall(${mknod}, "$d/new", 0100600, 0) == 0` },
  "fs.make_sock": {
    letters: "c",
    attempt: 'socket($s, AF_UNIX, SOCK_STREAM, 0) and bind $s, pack_sockaddr_un("$d/new")',
  },
  "fs.make_fifo": { letters: "c", attempt: 'POSIX::mkfifo("$d/new", 0600)' },
  "fs.make_block": { letters: "c", attempt: `syscall(${mknod}, "$d/new", 0060600, 0x700) == 0` },
  "fs.make_sym": { letters: "c", attempt: 'symlink "nowhere", "$d/new"' },
  "fs.refer": { letters: "c", attempt: 'rename "$d/one/file", "$d/other/file"' },
  "fs.truncate": { letters: "w", attempt: 'truncate "$d/file", 0' },
  "fs.ioctl_dev": {
    letters: "w",
    attempt:
      '(sysopen $f, "$d/device", O_WRONLY or sysopen $f, "$d/device", O_RDONLY) and ioctl $f, 0x5401, $b',
    // This error comes from the device, because the device is not a terminal.
    allowed: "Inappropriate ioctl for device",
  },
  "fs.resolve_unix": {
    letters: "w",
    attempt: 'socket($s, AF_UNIX, SOCK_STREAM, 0) and connect $s, pack_sockaddr_un("$d/socket")',
  },
};

const abi = landlockAbi();

describe("landlock", () => {
  test("the kernel's ABI is the one that is used", async () => {
    const { agent, config } = await startVmTask({ command: "true" });
    await waitTask(agent, config);
    assert.equal((await eventData(agent, config.id, "fingerprinted")).landlockAbi, abi);
    // This kernel enforces all limits, so there is no message.
    assert.deepEqual(
      agent.messages.filter(({ taskId }) => taskId === config.id),
      [],
    );
  });

  for (const [right, { letters, attempt, allowed = "ok" }] of Object.entries(rights)) {
    const since = abiWith(right as FileRight);
    if (letters !== "") {
      test(`${right} is allowed with ${letters}`, async () => {
        assert.equal(await outcomeOf(letters, attempt), allowed);
      });
    }
    const others = "rwxc".replace(letters.slice(-1), "");
    test(`${right} is refused with ${others}, from ABI ${since} on`, async () => {
      assert.equal(await outcomeOf(others, attempt), abi < since ? allowed : "Permission denied");
    });
  }

  const unscoped = abi < abiWith("scope.signal");

  test("a task can signal its own processes, but not its init, which is outside of its sandbox, from ABI 6 on", async () => {
    assert.equal(await said('defined(my $p = fork) or die; sleep 5 unless $p; kill "TERM", $p'), "ok");
    assert.equal(await said('kill "CONT", 1'), unscoped ? "ok" : "Operation not permitted");
  });

  test("a task can reach its own abstract socket, but none of the host, from ABI 6 on", async () => {
    const name = `exec2-${process.pid}`;
    const server = createServer().listen(`\0${name}`);
    onTestFinished(() => server.close());
    const connect = (to: string) =>
      `socket($c, AF_UNIX, SOCK_STREAM, 0) and connect $c, pack_sockaddr_un("\\0${to}")`;
    assert.equal(await said(connect(name)), unscoped ? "ok" : "Operation not permitted");
    const own = `socket($s, AF_UNIX, SOCK_STREAM, 0) and bind $s, pack_sockaddr_un("\\0own") and listen $s, 1`;
    assert.equal(await said(`${own} and ${connect("own")}`), "ok");
  });

  test("a socket that the task makes in a folder can be reached without w", async () => {
    const own =
      'socket($s, AF_UNIX, SOCK_STREAM, 0) and bind $s, pack_sockaddr_un("$d/new") and listen $s, 1';
    const connect = 'socket($c, AF_UNIX, SOCK_STREAM, 0) and connect $c, pack_sockaddr_un("$d/new")';
    assert.equal(await outcomeOf("rc", `${own} and ${connect}`), "ok");
  });

  test("UDP ports are those of connect_udp and bind_udp, from ABI 10 on", async () => {
    const attempt = (ports: object, script: string) => said(`${udpCalls} ${script}`, [], ports);
    if (abi < 10) {
      await assert.rejects(attempt({ connect_udp: [53] }, "1"), /LANDLOCK_UNAVAILABLE.*connect_udp/s);
      return;
    }
    assert.equal(await attempt({}, "send_to(123) and connect_to(123) and bind_at(5353)"), "ok");
    const dns = { connect_udp: [53], bind_udp: [0] };
    assert.equal(await attempt(dns, "send_to(53) and connect_to(53) and bind_at(0)"), "ok");
    for (const refused of ["send_to(123)", "connect_to(123)", "bind_at(5353)"])
      assert.equal(await attempt(dns, refused), "Permission denied");
    // The first datagram binds a port automatically.
    assert.equal(await attempt({ connect_udp: [53], bind_udp: [5353] }, "send_to(53)"), "Permission denied");
    assert.equal(await attempt({ connect_udp: [53], bind_udp: [5353] }, "bind_at(5353)"), "ok");
    // TCP is not limited. The error only says that no process listens.
    const tcp = "socket($s, AF_INET, SOCK_STREAM, 0) and connect $s, pack_sockaddr_in(123, INADDR_LOOPBACK)";
    assert.equal(await attempt(dns, tcp), "Connection refused");
  });
});

/** The outcome of an attempt in a folder that is unveiled with these letters. */
async function outcomeOf(letters: string, attempt: string): Promise<string> {
  const folder = temporaryFolder("/srv");
  for (const each of ["one", "other", "empty"]) mkdirSync(`${folder}/${each}`);
  for (const each of ["file", "one/file"]) writeFileSync(`${folder}/${each}`, "content");
  const server = createServer((socket) => socket.destroy()).listen(`${folder}/socket`);
  onTestFinished(() => server.close());
  cpSync("/usr/bin/true", `${folder}/true`);
  execFileSync("mknod", [`${folder}/device`, "c", "1", "3"]);
  return said(`$d = "${folder}"; ${attempt}`, [`${letters}:${folder}`]);
}

/** `ok` if the last expression of a script is true, otherwise the text of `$!`. */
async function said(script: string, unveil: readonly string[] = [], options: object = {}): Promise<string> {
  const program = `use Fcntl; use POSIX (); use Socket; my ($d, $f, $s, $c, $b) = ("", undef, undef, undef, "\\0" x 64); $! = 0; print(do { ${script} } ? "ok" : "$!")`;
  const { agent, allocation, config } = await startVmTask({
    user,
    // In the host's tree only Landlock refuses the access.
    command: { command: "perl", args: ["-e", program], unveil, root: "host", ...options },
  });
  assert.partialDeepStrictEqual(await waitTask(agent, config), { exitCode: 0 });
  return allocation.stdout.text();
}

/** Functions for UDP, each with its own socket. */
const udpCalls = `
  sub udp { socket my $socket, AF_INET, SOCK_DGRAM, 0; $socket }
  sub send_to { defined send udp(), "x", 0, pack_sockaddr_in($_[0], INADDR_LOOPBACK) }
  sub connect_to { connect udp(), pack_sockaddr_in($_[0], INADDR_LOOPBACK) }
  sub bind_at { bind udp(), pack_sockaddr_in($_[0], INADDR_LOOPBACK) }`;
