import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import { waitTask } from "../../support/agent/agent.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { startVmTask } from "../support/runningTask.ts";
import { eventData } from "../support/vmAgent.ts";

/** As root, so that file modes refuse nothing. */
const user = { name: "root", uid: 0, gid: 0 };

interface Right {
  /** The letters that it takes; none give it where there are none. */
  readonly letters: string;
  /** Perl that tries it in the folder `$d` and is true where it worked. */
  readonly attempt: string;
  /** Where it is allowed: what the kernel answers. */
  readonly allowed?: string;
}

const mknod = 133;

/** Every access right of the ABI that files have. */
const rights: Readonly<Record<string, Right>> = {
  // The kernel opens a program for reading.
  execute: { letters: "rx", attempt: '(system { "$d/true" } "true") == 0' },
  writeFile: { letters: "w", attempt: 'sysopen $f, "$d/file", O_WRONLY' },
  readFile: { letters: "r", attempt: 'sysopen $f, "$d/file", O_RDONLY' },
  readDir: { letters: "r", attempt: "opendir $f, $d" },
  removeDir: { letters: "c", attempt: 'rmdir "$d/empty"' },
  removeFile: { letters: "c", attempt: 'unlink "$d/file"' },
  makeChar: { letters: "", attempt: `syscall(${mknod}, "$d/new", 0020600, 0x103) == 0` },
  makeDir: { letters: "c", attempt: 'mkdir "$d/new"' },
  makeReg: { letters: "c", attempt: `syscall(${mknod}, "$d/new", 0100600, 0) == 0` },
  makeSock: {
    letters: "c",
    attempt: 'socket($s, AF_UNIX, SOCK_STREAM, 0) and bind $s, pack_sockaddr_un("$d/new")',
  },
  makeFifo: { letters: "c", attempt: 'POSIX::mkfifo("$d/new", 0600)' },
  makeBlock: { letters: "c", attempt: `syscall(${mknod}, "$d/new", 0060600, 0x700) == 0` },
  makeSym: { letters: "c", attempt: 'symlink "nowhere", "$d/new"' },
  refer: { letters: "c", attempt: 'rename "$d/one/file", "$d/other/file"' },
  truncate: { letters: "w", attempt: 'truncate "$d/file", 0' },
  ioctlDev: {
    letters: "w",
    attempt:
      '(sysopen $f, "$d/device", O_WRONLY or sysopen $f, "$d/device", O_RDONLY) and ioctl $f, 0x5401, $b',
    // No terminal: the device itself has answered.
    allowed: "Inappropriate ioctl for device",
  },
};

describe("landlock", () => {
  test("the kernel's ABI is the one that is used", async () => {
    const abi = landlockAbi();
    assert.ok(abi >= 6, `the kernel of the machine has ABI ${abi}`);
    const { agent, config } = await startVmTask({ command: "true" });
    await waitTask(agent, config);
    assert.equal((await eventData(agent, config.id, "fingerprinted")).landlockAbi, abi);
    // All its limits are enforced here: there is nothing that anybody has to know.
    assert.deepEqual(
      agent.messages.filter(({ taskId }) => taskId === config.id),
      [],
    );
  });

  for (const [right, { letters, attempt, allowed = "ok" }] of Object.entries(rights)) {
    if (letters !== "") {
      test(`${right} is allowed with ${letters}`, async () => {
        assert.equal(await outcomeOf(letters, attempt), allowed);
      });
    }
    const others = "rwxc".replace(letters.slice(-1), "");
    test(`${right} is refused with ${others}`, async () => {
      assert.equal(await outcomeOf(others, attempt), "Permission denied");
    });
  }

  test("a signal reaches the task's own processes, and its init, which is outside, none", async () => {
    assert.equal(await said('defined(my $p = fork) or die; sleep 5 unless $p; kill "TERM", $p'), "ok");
    assert.equal(await said('kill "CONT", 1'), "Operation not permitted");
  });

  test("an abstract socket of its own can be reached, and one of the host's not", async () => {
    const name = `exec2-${process.pid}`;
    const server = createServer().listen(`\0${name}`);
    onTestFinished(() => server.close());
    const connect = (to: string) =>
      `socket($c, AF_UNIX, SOCK_STREAM, 0) and connect $c, pack_sockaddr_un("\\0${to}")`;
    assert.equal(await said(connect(name)), "Operation not permitted");
    const own = `socket($s, AF_UNIX, SOCK_STREAM, 0) and bind $s, pack_sockaddr_un("\\0own") and listen $s, 1`;
    assert.equal(await said(`${own} and ${connect("own")}`), "ok");
  });
});

/** What comes of an attempt in a folder that is unveiled with some letters. */
async function outcomeOf(letters: string, attempt: string): Promise<string> {
  const folder = mkdtempSync("/srv/exec2-landlock-");
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const each of ["one", "other", "empty"]) mkdirSync(`${folder}/${each}`);
  for (const each of ["file", "one/file"]) writeFileSync(`${folder}/${each}`, "content");
  cpSync("/usr/bin/true", `${folder}/true`);
  execFileSync("mknod", [`${folder}/device`, "c", "1", "3"]);
  return said(`$d = "${folder}"; ${attempt}`, [`${letters}:${folder}`]);
}

/** `ok` where the last expression of a script is true, else what `$!` says. */
async function said(script: string, unveil: readonly string[] = []): Promise<string> {
  const program = `use Fcntl; use POSIX (); use Socket; my ($d, $f, $s, $c, $b) = ("", undef, undef, undef, "\\0" x 64); $! = 0; print(do { ${script} } ? "ok" : "$!")`;
  const { agent, allocation, config } = await startVmTask({
    user,
    // In the host's tree, where Landlock alone refuses.
    command: { command: "perl", args: ["-e", program], unveil, root: "host" },
  });
  assert.partialDeepStrictEqual(await waitTask(agent, config), { exitCode: 0 });
  return allocation.stdout.text();
}
