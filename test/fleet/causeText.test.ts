import { describe, expect, it } from "vitest";
import { readCause } from "../../src/fleet/causeText.ts";

/** test/history/cause has every text with its kind. */
describe("the object of a cause", () => {
  it.each([
    ['it was denied reading /etc/passwd; unveil = ["r:/etc/passwd"] allows it', "reading /etc/passwd"],
    ["it was denied the system call io_setup: seccomp_allow allows it", "the system call io_setup"],
    ["killed by the kernel: 32 MiB memory limit was full; raise memory or memory_max", "32 MiB"],
    ['nothing at /etc/x y in its root; the host has it: unveil = ["r:/etc/x y"]', "/etc/x y"],
    ["nothing at /etc/x in its root; the host has it (its last failed call)", "/etc/x"],
    ["it could not connect to 10.0.0.1:80: nobody listens there (its last failed call)", "10.0.0.1:80"],
    ["[::]:80 is already in use (a failed call that its last line names)", "[::]:80"],
    ["its last failed call: a look at /etc/x y, ENOENT", "/etc/x y"],
    ["its last line: folder /srv/v belongs to root, gid 0, mode 0755", "/srv/v"],
    ["nothing at /srv/app, neither in its root nor on the host", "/srv/app"],
    ["its last line names /srv/app: nothing is there", "/srv/app"],
    ["its last line names /srv/app, neither in its root nor on the host", "/srv/app"],
    ["it last missed /etc/ssl/cert.pem, which the host has, but not its root", "/etc/ssl/cert.pem"],
    ["its shell did not find the command /opt/app/server", "/opt/app/server"],
    ["0.0.0.0:8080 is already in use, by nginx", "0.0.0.0:8080"],
    ["its last line names port 8080, which is in use now, by nginx", "port 8080"],
    ["it could not connect to 10.0.0.1:5432: nobody listens there", "10.0.0.1:5432"],
    ["folder /srv/v belongs to root, gid 0, mode 0755; the task runs as uid 80001", "/srv/v"],
    ["the shared library libz.so.1 is missing, or not unveiled", "libz.so.1"],
    ["its last line names the variable TOKEN_FILE, which its environment does not have", "TOKEN_FILE"],
    [
      "no space was left where it wrote (write, ENOSPC, for /tmp/x); its /tmp holds 64 MiB (tmp_size)",
      "/tmp/x",
    ],
    ["it wrote to a read-only file system, at /usr/lib", "/usr/lib"],
    ["SIGSEGV: it accessed memory that is not its own, which is a bug in the program", "SIGSEGV"],
    ["killed by pid 4711 (systemd), user root", "pid … (systemd), user root"],
    ["ended by SIGTERM, which the driver did not send; who did is not recorded", "SIGTERM"],
    ["exit code 139: one of its processes got SIGSEGV, sent by the driver, for the agent", "SIGSEGV"],
    ["its last failed call: connect 10.0.0.1:80, ECONNREFUSED", "10.0.0.1:80"],
    ["it used all of its CPU time, 5 s (ulimit cpu), and was killed by the kernel", null],
    [
      "no space is left on a file system that it writes to: at /alloc/da61bc0b-eedd-98dc-b6a5-bdafb6bae2f0, 0 bytes of 9 GiB are free",
      "/alloc/…",
    ],
  ])("%s", (text, object) => {
    expect(readCause(text)?.object).toBe(object);
  });

  it("of another driver's message is none", () => {
    expect(readCause("OOM Killed")).toBeUndefined();
    expect(readCause("since the last good run: its command changed")).toBeUndefined();
  });
});
