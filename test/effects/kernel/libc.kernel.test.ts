import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as k from "../../../src/effects/kernel/constants.ts";
import * as libc from "../../../src/effects/kernel/libc.ts";
import { posixSpawn } from "../../../src/effects/kernel/posixSpawn.ts";
import { listenerOf } from "../../../src/effects/kernel/sockets.ts";
import { folderOfFile } from "../../support/host/temporaryFolder.ts";

const folder = folderOfFile();

const descriptorFlags = (fd: number) =>
  Number.parseInt(/flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "", 8);

describe("the binding of the C library", () => {
  it("makes pipes that close on exec", () => {
    const { read, write } = libc.pipe2();
    writeSync(write, "through");
    const buffer = Buffer.alloc(16);
    expect(buffer.toString("utf8", 0, readSync(read, buffer))).toBe("through");
    expect(descriptorFlags(read) & k.O_CLOEXEC).toBe(k.O_CLOEXEC);
    expect(descriptorFlags(write) & k.O_CLOEXEC).toBe(k.O_CLOEXEC);
    libc.fcntlSetFlags(read, k.O_NONBLOCK);
    expect(descriptorFlags(read) & k.O_NONBLOCK).toBe(k.O_NONBLOCK);
    closeSync(read);
    closeSync(write);
  });

  it("returns the process that listens on a socket", async () => {
    const path = join(folder, "socket");
    const server = createServer().listen(path);
    await once(server, "listening");
    expect(listenerOf(path)).toEqual({ pid: process.pid, uid: process.getuid?.() });
    server.close();
    expect(() => listenerOf(join(folder, "none"))).toThrow(
      expect.objectContaining({ failed: { call: "connect", path: join(folder, "none"), errno: "ENOENT" } }),
    );
  });

  it("makes a FIFO", () => {
    const path = join(folder, "fifo");
    libc.mkfifo(path, 0o600);
    expect(statSync(path).isFIFO()).toBe(true);
  });

  it("opens below a folder with openat2, and reports the reason of a refusal", () => {
    const directory = libc.openat2(k.AT_FDCWD, folder, { flags: k.O_PATH });
    expect(descriptorFlags(directory) & k.O_PATH).toBe(k.O_PATH);
    const fd = libc.openat2(directory, "new", { flags: k.O_WRONLY | k.O_CREAT, mode: 0o600 });
    expect(descriptorFlags(fd) & k.O_CLOEXEC).toBe(k.O_CLOEXEC);
    closeSync(fd);
    const RESOLVE_BENEATH = 0x08;
    expect(() => libc.openat2(directory, "../x", { flags: k.O_RDONLY, resolve: RESOLVE_BENEATH })).toThrow(
      expect.objectContaining({ failed: { call: "openat2", path: "../x", errno: "EXDEV" } }),
    );
    closeSync(directory);
  });

  it("seals a memfd against every change", () => {
    const memfd = libc.memfdCreate("sealed", k.MFD_CLOEXEC | k.MFD_ALLOW_SEALING);
    writeSync(memfd, "bytes");
    libc.addSeals(memfd, k.F_SEAL_SEAL | k.F_SEAL_SHRINK | k.F_SEAL_GROW | k.F_SEAL_WRITE);
    expect(() => writeSync(memfd, "other", 0)).toThrow(expect.objectContaining({ code: "EPERM" }));
    closeSync(memfd);
  });

  it("reports the reason of a refusal by a function whose arguments vary in number", () => {
    // On a tmpfs, a file without seals could not get one either, but for another reason.
    const file = openSync("/dev/null", "w");
    expect(() => libc.addSeals(file, k.F_SEAL_WRITE)).toThrow(
      expect.objectContaining({ failed: { call: "fcntl", errno: "EINVAL" } }),
    );
    expect(() => libc.ioctl(file, k.TIOCSWINSZ, new Uint8Array(8))).toThrow(
      expect.objectContaining({ failed: { call: "ioctl", errno: "ENOTTY" } }),
    );
    closeSync(file);
    expect(() => libc.prctl(k.PR_SET_PDEATHSIG, 1000)).toThrow(
      expect.objectContaining({ failed: { call: "prctl", errno: "EINVAL" } }),
    );
  });

  it("passes no text beyond a null byte to C, which would end it there", () => {
    expect(() => libc.mkfifo(join(folder, "cut\0off"), 0o600)).toThrow("mkfifo: a text has a null byte");
    expect(() => libc.openat2(k.AT_FDCWD, `${folder}\0`, { flags: k.O_PATH })).toThrow("null byte");
    expect(existsSync(join(folder, "cut"))).toBe(false);
  });

  it("asks Landlock for its version and makes a ruleset", () => {
    expect(libc.landlockCreateRuleset(null, k.LANDLOCK_CREATE_RULESET_VERSION)).toBeGreaterThanOrEqual(1);
    const ruleset = libc.landlockCreateRuleset(new Uint8Array(new BigUint64Array([1n]).buffer), 0);
    expect(descriptorFlags(ruleset) & k.O_CLOEXEC).toBe(k.O_CLOEXEC);
    closeSync(ruleset);
    expect(() => libc.landlockCreateRuleset(new Uint8Array(8), 0)).toThrow(
      expect.objectContaining({ failed: { call: "landlock_create_ruleset", errno: "ENOMSG" } }),
    );
  });

  it("starts a child with a clean signal state, a session of its own and an exact environment", () => {
    const { read, write } = libc.pipe2();
    const script =
      'cut -d" " -f6 /proc/self/stat; echo "$A[$B]"; while read l; do echo "$l"; done < /proc/self/status';
    const pid = posixSpawn(
      "/bin/sh",
      ["sh", "-c", script],
      ["A=seen", "B=", "PATH=/bin:/usr/bin"],
      [{ from: write, to: 1 }],
    );
    closeSync(write);
    expect(libc.waitpid(pid, 0)).toBe(0);
    const buffer = Buffer.alloc(4096);
    const output = buffer.toString("utf8", 0, readSync(read, buffer));
    closeSync(read);
    const none = "0".repeat(16);
    const lines = output.split("\n");
    expect(lines.slice(0, 2)).toEqual([String(pid), "seen[]"]);
    expect(lines.filter((line) => /^Sig(Blk|Ign)/.test(line))).toEqual([
      `SigBlk:\t${none}`,
      `SigIgn:\t${none}`,
    ]);
  });

  it("signals a process by pidfd and detects a pid without a process", () => {
    const pid = posixSpawn("/bin/sleep", ["sleep", "60"], [], []);
    expect(libc.waitpid(pid, 1)).toBeUndefined();
    const pidfd = libc.pidfdOpen(pid);
    libc.pidfdSendSignal(pidfd, 9, 0);
    expect(libc.waitpid(pid, 0)).toBe(9);
    expect(() => libc.pidfdSendSignal(pidfd, 9, 0)).toThrow(
      expect.objectContaining({ failed: { call: "pidfd_send_signal", errno: "ESRCH" } }),
    );
    closeSync(pidfd);
  });

  it("names call, path and errno of a failure", () => {
    expect(() => posixSpawn("/nowhere", ["x"], [], [])).toThrow(
      expect.objectContaining({
        code: "KERNEL_CALL_FAILED",
        failed: { call: "posix_spawn", path: "/nowhere", errno: "ENOENT" },
      }),
    );
    expect(() => libc.mkfifo(folder, 0o600)).toThrow("mkfifo");
  });
});
