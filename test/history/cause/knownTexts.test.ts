/** What the last output of programs in several languages says about their failure. */
import { expect, it } from "vitest";
import { findKnown } from "../../../src/history/cause/knownTexts.ts";

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
    "PHP Warning:  file_get_contents(/etc/nonexist): Failed to open stream: No such file or directory in Command line code on line 1",
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
  const found = findKnown(text.split("\n"));
  expect(found?.kind).toBe(kind);
  expect(found?.name ?? found?.paths[0]).toBe(named);
});

it("the last known text counts, and stack frames name only files of the program", () => {
  const lines = [
    "connect to 10.0.0.1:5432: connection refused, trying again",
    "cat: /etc/x: No such file or directory",
  ];
  expect(findKnown(lines)?.kind).toBe("missing_path");
  expect(findKnown([...lines].reverse())?.kind).toBe("connection_refused");
  expect(
    findKnown(['File "/app/permission denied.py", line 1', "at /srv/no such file or directory (x)"]),
  ).toBeUndefined();
});

it.each(["", "listening on :8080", "done, 0 errors", "GET /favicon.ico 404", `${"x".repeat(3_000)} ENOENT`])(
  "%j says nothing",
  (line) => {
    expect(findKnown([line])).toBeUndefined();
  },
);
