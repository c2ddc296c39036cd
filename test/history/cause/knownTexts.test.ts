/** What the last output of programs in several languages says about their failure. */
import { describe, expect, it } from "vitest";
import { readEnd } from "../../../src/history/cause/knownTexts.ts";
import { laterEnd, type Written } from "../../../src/history/cause/lastStanza.ts";

const node = (message: string, ...fields: string[]) =>
  `node:events:497\n      throw er; // Unhandled 'error' event\n      ^\n\n${message}\n    at Server.setupListenHandle [as _listen2] (node:net:1817:16)\n    at node:internal/main/eval_string:51:3\nEmitted 'error' event on Server instance at: {\n${fields.map((each) => `  ${each},\n`).join("")}}\n\nNode.js v20.20.2`;
const python = (message: string) =>
  `Traceback (most recent call last):\n  File "/srv/app/main.py", line 3, in <module>\n    sock.connect(sa)\n${message}`;
const java = (message: string) =>
  `Exception in thread "main" ${message}\n\tat java.base/java.io.FileInputStream.open0(Native Method)\n\tat A.main(A.java:2)`;

it.each([
  // missing paths
  ["cat: /etc/nonexist: No such file or directory", "missing_path", "/etc/nonexist"],
  [
    python("FileNotFoundError: [Errno 2] No such file or directory: '/etc/nonexist'"),
    "missing_path",
    "/etc/nonexist",
  ],
  [
    node(
      "Error: ENOENT: no such file or directory, open '/etc/nonexist'",
      "errno: -2",
      "code: 'ENOENT'",
      "syscall: 'open'",
      "path: '/etc/nonexist'",
    ),
    "missing_path",
    "/etc/nonexist",
  ],
  ["dash: 1: cannot open /etc/nonexist: No such file", "missing_path", "/etc/nonexist"],
  [
    java("java.io.FileNotFoundException: /etc/nonexist (No such file or directory)"),
    "missing_path",
    "/etc/nonexist",
  ],
  [java("java.nio.file.NoSuchFileException: /etc/nonexist"), "missing_path", "/etc/nonexist"],
  ["2026/01/01 10:00:00 open /etc/nonexist: no such file or directory", "missing_path", "/etc/nonexist"],
  [
    "PHP Fatal error:  Uncaught Exception: /etc/nonexist: No such file or directory\nStack trace:\n#0 {main}\n  thrown in /srv/x.php on line 3",
    "missing_path",
    "/etc/nonexist",
  ],
  // permissions
  ["cat: /srv/secrets/key: Permission denied", "permission", "/srv/secrets/key"],
  [python("PermissionError: [Errno 13] Permission denied: '/srv/x'"), "permission", "/srv/x"],
  // commands and libraries
  ["dash: 1: nosuchcmd: not found", "missing_command", "nosuchcmd"],
  ["bash: line 1: nosuchcmd: command not found", "missing_command", "nosuchcmd"],
  [
    "./curl: error while loading shared libraries: libcurl.so.4: cannot open shared object file: No such file or directory",
    "missing_library",
    "libcurl.so.4",
  ],
  [
    "./app: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by ./app)",
    "missing_library",
    "GLIBC_2.38",
  ],
  ["bash: line 1: ./bin: cannot execute binary file: Exec format error", "not_executable", undefined],
  [python("ModuleNotFoundError: No module named 'nosuch'"), "missing_module", "nosuch"],
  [
    node("Error: Cannot find module 'nosuch'", "code: 'MODULE_NOT_FOUND'", "requireStack: [ '/srv/app.js' ]"),
    "missing_module",
    "nosuch",
  ],
  // variables
  ["bash: line 1: DB_PASSWORD: unbound variable", "missing_variable", "DB_PASSWORD"],
  ["dash: 1: DB_PASSWORD: parameter not set", "missing_variable", "DB_PASSWORD"],
  [python("KeyError: 'DB_PASSWORD'"), "missing_variable", "DB_PASSWORD"],
  [
    java("java.lang.RuntimeException: Environment variable DB_PASSWORD is not set"),
    "missing_variable",
    "DB_PASSWORD",
  ],
  ["panic: DB_PASSWORD must be set", "missing_variable", "DB_PASSWORD"],
  // network
  [python("OSError: [Errno 98] Address already in use"), "port_in_use", undefined],
  [
    node(
      "Error: listen EADDRINUSE: address already in use :::18765",
      "code: 'EADDRINUSE'",
      "errno: -98",
      "syscall: 'listen'",
      "address: '::'",
      "port: 18765",
    ),
    "port_in_use",
    "18765",
  ],
  ["nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)", "port_in_use", "80"],
  ["listen tcp :8080: bind: address already in use", "port_in_use", "8080"],
  [
    node("Error: connect ECONNREFUSED 127.0.0.1:5439", "errno: -111", "code: 'ECONNREFUSED'"),
    "connection_refused",
    "127.0.0.1:5439",
  ],
  [
    'psql: error: connection to server at "127.0.0.1", port 5439 failed: Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?',
    "connection_refused",
    '127.0.0.1", port 5439',
  ],
  [
    "curl: (7) Failed to connect to 127.0.0.1 port 5439 after 0 ms: Could not connect to server",
    "connection_refused",
    "127.0.0.1 port 5439",
  ],
  ["dial tcp 10.0.0.1:5432: connect: connection refused", "connection_refused", "10.0.0.1:5432"],
  ["curl: (6) Could not resolve host: db.invalid", "name_lookup", "db.invalid"],
  [
    'psql: error: could not translate host name "db.invalid" to address: Name or service not known',
    "name_lookup",
    "db.invalid",
  ],
  [java("java.net.UnknownHostException: db.invalid"), "name_lookup", "db.invalid"],
  ["dial tcp: lookup db.invalid on 127.0.0.53:53: no such host", "name_lookup", "db.invalid"],
  // resources
  [
    "dd: error writing '/dev/full': No space left on device\n1+0 records in\n0+0 records out",
    "disk_full",
    "/dev/full",
  ],
  [
    node("Error: ENOSPC: no space left on device, write", "errno: -28", "code: 'ENOSPC'", "syscall: 'write'"),
    "disk_full",
    undefined,
  ],
  [node("Error: EMFILE: too many open files, open '/dev/null'", "code: 'EMFILE'"), "open_files", "/dev/null"],
  [
    java("java.lang.OutOfMemoryError: Java heap space"),
    "program_memory",
    "java.lang.OutOfMemoryError: Java heap space",
  ],
  [
    "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n\n 1: 0xb8d0a3 node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]",
    "program_memory",
    "JavaScript heap out of memory",
  ],
  [
    "PHP Fatal error:  Allowed memory size of 2097152 bytes exhausted (tried to allocate 5001216 bytes)",
    "program_memory",
    "Allowed memory size of 2097152 bytes exhausted",
  ],
])("%s", (text, kind, named) => {
  const { known: found } = readEnd(text.split("\n"));
  expect(found?.kind).toBe(kind);
  expect(found?.name ?? found?.paths[0]).toBe(named);
});

it("the last message counts, unless the program says that it goes on", () => {
  const lines = ["connect to 10.0.0.1:5432: connection refused", "cat: /etc/x: No such file or directory"];
  expect(readEnd(lines).known?.kind).toBe("missing_path");
  expect(readEnd([...lines].reverse()).known?.kind).toBe("connection_refused");
  for (const end of ["done", "fatal: bad configuration", "12:00:01 retrying in 5 s"]) {
    expect(readEnd([...lines, end])).toEqual({ known: undefined, lastLine: end });
  }
  for (const passing of [
    "warning: cannot open /etc/x: No such file or directory",
    `${lines[0]}, trying again`,
  ]) {
    expect(readEnd([passing])).toEqual({ known: undefined, lastLine: passing });
  }
});

it("stack traces of any length belong to the message, and name only files of the program", () => {
  const frames = Array.from({ length: 300 }, (_, index) => `\tat app.Main.f${index}(Main.java:3)`);
  expect(readEnd(["java.io.IOException: No space left on device", ...frames]).known?.kind).toBe("disk_full");
  expect(
    readEnd(['File "/app/permission denied.py", line 1', "at /srv/no such file or directory (x)"]).known,
  ).toBeUndefined();
});

it("a time of day is no port", () => {
  const line = "12:51:25.245 # Failed opening Unix socket: bind: Permission denied";
  expect(readEnd([line]).known).toMatchObject({ kind: "permission", name: undefined });
  expect(readEnd(["2026-01-01T12:51:25Z bind 0.0.0.0:80: Permission denied"]).known?.name).toBe("80");
});

it.each([
  ["cat: '/srv/my file': No such file or directory", "/srv/my file"],
  ["grep: /srv/my file: No such file or directory", "/srv/my file"],
  ['open("/srv/a b/c"): permission denied', "/srv/a b/c"],
])("a path with blanks is one: %s", (line, path) => {
  expect(readEnd([line]).known?.paths).toEqual([path]);
});

it.each(["", "listening on :8080", "done, 0 errors", "GET /favicon.ico 404", `${"x".repeat(3_000)} ENOENT`])(
  "%j says nothing",
  (line) => {
    expect(readEnd([line]).known).toBeUndefined();
  },
);

describe("of two streams", () => {
  const [refused, bad] = ["bind: Address already in use", "fatal: bad configuration"];
  const end = (stderr: Partial<Written>, stdout: Partial<Written>) =>
    laterEnd({ lines: [], at: 1_000, ...stderr }, { lines: [], at: 1_000, ...stdout }, readEnd);

  it("the one that was written to last counts", () => {
    expect(end({ lines: [refused] }, { lines: [bad], at: 9_000 })?.lastLine).toBe(bad);
    expect(end({ lines: [refused] }, { lines: [bad], at: 0 })?.lastLine).toBe(refused);
    expect(end({}, { lines: [bad] })?.lastLine).toBe(bad);
    expect(end({}, {})).toBeUndefined();
  });

  it("written to together, neither stands for anything: the program may have gone on", () => {
    for (const out of ["starting", bad]) {
      const both = end({ lines: [refused] }, { lines: [out] });
      expect(both?.lastLine).toBe(refused);
      expect(both).not.toHaveProperty("known");
      expect(end({ lines: [refused], at: undefined }, { lines: [out], at: 9_000 })).toEqual(both);
    }
  });
});
