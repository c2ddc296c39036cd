/** The cause that is named for a failure, from the task's events, its output and what the host shows. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCause } from "../../../src/fleet/causeText.ts";
import { causeOf, hasFailed } from "../../../src/history/cause/cause.ts";
import type { HostEvidence } from "../../../src/history/cause/evidence.ts";
import { readEnd } from "../../../src/history/cause/knownTexts.ts";
import type { BlackBoxRecord } from "../../../src/machines/events/blackBox.ts";
import { causeText } from "../../../src/machines/events/cause.ts";
import type { Refusal } from "../../../src/machines/events/denied.ts";
import type { Exit } from "../../../src/machines/events/ending.ts";
import type { EventData } from "../../../src/machines/events.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { event, sampleData } from "../../support/history/history.ts";

const nothing: HostEvidence = { paths: [], disk: undefined, listener: undefined, cpuSeconds: undefined };
const { cause: _, ...sampleEnd } = sampleData("exited");
const failed: Exit = { ...sampleEnd, exitCode: 1 };
const killedBy = (signal: number): Exit => ({ ...sampleEnd, exitCode: 128 + signal, signal });

function taskWith(
  sandbox: Partial<EventData<"sandboxed">> = {},
  ...later: Parameters<typeof fold>[0][] | []
) {
  return fold([
    event("requested"),
    event("fingerprinted"),
    event("sandboxed", {
      root: "private",
      unveiled: [{ path: "/usr", mode: "rx", source: "default" }],
      ...sandbox,
    }),
    event("started"),
    ...later.flatMap((each) => [...each]),
  ]).context;
}

/** The text of the cause. */
function named(
  output: string,
  {
    end = failed,
    context = taskWith(),
    refused,
    ...evidence
  }: Partial<HostEvidence> & { end?: Exit; context?: ReturnType<typeof taskWith>; refused?: Refusal } = {},
) {
  const lines = output.split("\n");
  const cause = causeOf(
    context,
    end,
    readEnd(lines),
    { ...nothing, ...evidence },
    refused && { refusal: refused, beforeMs: 9 },
  );
  const [{ kind }, text] = [cause, causeText(cause)];
  // Nomad keeps the text alone, and `fleet` has to know it by its words.
  if (kind !== "unknown") expect(`${readCause(text)?.kind}: ${text}`).toBe(`${kind}: ${text}`);
  return `${kind}: ${text}`;
}

const file = (
  path: string,
  found: HostEvidence["paths"][number]["found"] = { uid: 0, gid: 0, mode: 0o100644, isFolder: false },
) => ({ path, found });

const refused: Refusal = {
  blockers: ["fs.read_file"],
  object: "/srv/x",
  program: "/usr/bin/cat",
  pid: 1,
  firstAt: 5,
  count: 1,
};

const sent = (signal: number, sender: Sender | null, target = taskWith().process?.task.pid ?? 0) => ({
  ...{ signal, target, sender },
  at: failed.endedAt - 5,
});
type Sender = NonNullable<BlackBoxRecord["signals"][number]["sender"]>;
const systemd: Sender = { pid: 4711, program: "systemd", user: "root", isOwn: false };

/** Each process ended with the run's exit code, the main one last. */
const endsAfter = ({ missed = [], calls = [] }: Partial<BlackBoxRecord>) =>
  [...new Set([...missed, ...calls].map(({ pid }) => pid).filter((pid) => pid !== main)), main].map(
    (pid) => ({
      ...{ exitCode: 1, pid, program: "app", thread: pid, at: failed.endedAt },
    }),
  );
const recorded = (record: Partial<BlackBoxRecord>, lastMissed?: HostEvidence["paths"][number]) => ({
  recorded: {
    record: { missed: [], calls: [], signals: [], crash: null, ends: endsAfter(record), ...record },
    missed: lastMissed ? [lastMissed] : [],
  },
});
const missedAt = (path: string, beforeMs: number) =>
  recorded({ missed: [{ path, pid: main, program: "perl", at: failed.endedAt - beforeMs }] }, file(path));
const main = taskWith().process?.task.pid ?? 0;
const missedBy = (pid: number) =>
  recorded(
    { missed: [{ path: "/etc/adduser.conf", pid, program: "cat", at: failed.endedAt }] },
    file("/etc/adduser.conf"),
  );
const failedCall = (call: string, error: string, object: string | null, pid = main) =>
  recorded({ calls: [{ call, error, object, pid, program: "app", at: failed.endedAt - 9 }] });

describe("with a black box, the cause", () => {
  it("of a program that says nothing is the path that it missed last, shortly before its end", () => {
    const missed = missedAt("/etc/adduser.conf", 20);
    const text =
      'missing_path: it last missed /etc/adduser.conf, which the host has, but not its root: unveil = ["r:/etc/adduser.conf"]';
    expect(named("", missed)).toBe(text);
    expect(named("done with it", missed)).toBe("unknown: its cause is not known");
    expect(named("", { ...missedBy(main + 1) })).toBe("unknown: its cause is not known");
    expect(named("", missedAt("/etc/adduser.conf", 3_000))).toBe("unknown: its cause is not known");
  });

  it("is what the output says, if the record has such a call with the same object", () => {
    const inUse = "Error: listen EADDRINUSE: address already in use :::8080";
    expect(named(inUse, failedCall("bind", "EADDRINUSE", "[::]:8080"))).toBe(
      "port_in_use: [::]:8080 is already in use (its last failed call)",
    );
    expect(named(inUse, failedCall("bind", "EADDRINUSE", "[::]:8081"))).toMatch(/^unknown/);
    expect(named(inUse, missedAt("/etc/x", 20))).toMatch(/^unknown/);
  });

  it.each([
    [
      "dial tcp 10.0.0.1:5432: connect: connection refused",
      failedCall("connect", "ECONNREFUSED", "10.0.0.1:5432"),
      "connection_refused: it could not connect to 10.0.0.1:5432: nobody listens there (its last failed call)",
    ],
    [
      "dd: error writing 'x': No space left on device",
      failedCall("write", "ENOSPC", null),
      "disk_full: no space was left where it wrote (write, ENOSPC) (its last failed call)",
    ],
    [
      "mkdir: cannot create directory '/srv/x': Read-only file system",
      failedCall("mkdir", "EROFS", "/srv/x"),
      "read_only: it wrote to a read-only file system, at /srv/x (its last failed call)",
    ],
    [
      "OSError: [Errno 24] Too many open files: '/dev/null'",
      failedCall("openat", "EMFILE", "/dev/null"),
      "open_files: it has too many open files (openat, EMFILE): ulimit nofile = 1024 (its last failed call)",
    ],
    [
      "app: error while loading shared libraries: libfoo.so.3: cannot open shared object file: No such file or directory",
      failedCall("openat", "ENOENT", "/usr/lib/libfoo.so.3"),
      "missing_library: the shared library libfoo.so.3 is missing, or not unveiled (its last failed call)",
    ],
    [
      "",
      failedCall("bind", "EACCES", "0.0.0.0:80"),
      "permission: its last failed call: bind 0.0.0.0:80, EACCES",
    ],
    ["", failedCall("bind", "EACCES", "0.0.0.0:80", main + 1), "unknown: its cause is not known"],
    [
      "fatal: bad configuration",
      failedCall("connect", "ECONNREFUSED", "10.0.0.1:53"),
      "unknown: its cause is not known",
    ],
  ] as const)("%s", (output, evidence, text) => {
    expect(named(output, evidence)).toBe(text);
  });

  it("is that a mount of the job's is read-only", () => {
    const context = taskWith({
      unveiled: [
        { path: "/etc/app", mode: "rx", source: "mount" },
        { path: "/srv/app", mode: "rwxc", source: "mount" },
      ],
    });
    const text = (path: string) => named(`touch: cannot touch '${path}': Read-only file system`, { context });
    expect(text("/etc/app/x")).toBe(
      "read_only: its last line names /etc/app/x, which is mounted read-only: its mount lacks readonly = false",
    );
    expect(text("/srv/app/x")).toBe("unknown: its cause is not known");
  });

  it("of a killed task is the sender of the signal", () => {
    const of = (end: Exit, ...signals: BlackBoxRecord["signals"]) =>
      named("", { end, ...recorded({ signals }) });
    expect(of(killedBy(9), sent(9, systemd))).toBe("signal: killed by pid 4711 (systemd), user root");
    expect(of(killedBy(15), sent(15, systemd), sent(9, null))).toBe(
      "signal: ended by SIGTERM, sent by pid 4711 (systemd), user root",
    );
    const earlier = { ...systemd, pid: 11, program: "bash" };
    expect(of(killedBy(15), sent(15, earlier), sent(15, systemd))).toContain("sent by pid 4711 (systemd)");
    expect(of(killedBy(9), sent(9, null))).toBe("signal: killed by the kernel itself, not by a process");
    expect(of(killedBy(15), sent(15, { ...systemd, isOwn: true }))).toBe(
      "signal: ended by SIGTERM, sent by pid 4711 (systemd), a process of the task",
    );
  });

  it("of a task that the agent has sent a signal is this signal, if it came right before the end", () => {
    const signalled = (beforeMs: number, data: Partial<EventData<"signalled">> = {}) => {
      const sending = event("signalled", { signal: 10, delivered: true, ...data });
      return taskWith({}, [{ ...sending, time: failed.endedAt - beforeMs }]);
    };
    const of = (context: ReturnType<typeof taskWith>, end = killedBy(10)) => named("", { end, context });
    const byAgent = "signal: ended by SIGUSR1, which the agent sent it right before its end";
    expect(of(signalled(5))).toBe(byAgent);
    expect(of(signalled(-5))).toBe(byAgent);
    expect(of(signalled(5, { signal: 11 }), killedBy(11))).toContain("SIGSEGV, which the agent sent");
    const unrecorded = "the agent sent it signals while it ran, and who sent this one is not recorded";
    expect(of(signalled(3_000))).toContain(unrecorded);
    expect(of(signalled(5, { signal: 12 }))).toContain(unrecorded);
    expect(of(signalled(5, { delivered: false }))).toContain("which the driver did not send");
    expect(
      named("", { end: killedBy(10), context: signalled(5), ...recorded({ signals: [sent(10, systemd)] }) }),
    ).toContain("sent by pid 4711 (systemd)");
  });

  it("of a crash has the file and the place in it, if the main process crashed", () => {
    const crash = { signal: 11, file: "/usr/lib/libc.so.6", offset: 0x1f0, pid: main, program: "app", at: 1 };
    const of = (end: Exit, changed: Partial<typeof crash> = {}) =>
      named("", { end, ...recorded({ crash: { ...crash, ...changed } }) });
    expect(of(killedBy(11))).toMatch(/^signal: SIGSEGV: .*, in \/usr\/lib\/libc\.so\.6 at 0x1f0$/);
    expect(of({ ...failed, exitCode: 139 }, { pid: 1 })).toMatch(
      /exit code 139: one of its processes got SIGSEGV, .* at 0x1f0$/,
    );
    expect(of(killedBy(11), { pid: main + 1 })).not.toContain("libc");
    expect(of(killedBy(7))).not.toContain("libc");
  });

  it("names no sender of a signal to another process", () => {
    const signals = [sent(9, { ...systemd, pid: 11 }, 98), sent(9, systemd, 99)];
    expect(named("", { end: killedBy(9), ...recorded({ signals }) })).not.toContain("4711");
    expect(named("", { end: { ...failed, exitCode: 137 }, ...recorded({ signals }) })).toBe(
      "signal: exit code 137: one of its processes got SIGKILL, sent by pid 4711 (systemd), user root",
    );
  });
});

describe("a missing path", () => {
  const says = "cat: /etc/adduser.conf: No such file or directory";
  it("that the host has comes with the entry that unveils it, if the record has the call", () => {
    const paths = [file("/etc/adduser.conf")];
    expect(named(says, { paths })).toBe(
      "missing_path: its last line names /etc/adduser.conf: nothing is there in its root; the host has it",
    );
    expect(named(says, { paths, ...missedBy(7) })).toBe(
      'missing_path: nothing at /etc/adduser.conf in its root; the host has it (its last failed call): unveil = ["r:/etc/adduser.conf"]',
    );
  });
  it("is told without advice if the program ended with a code of its own", () => {
    const paths = [file("/etc/adduser.conf")];
    const end = { ...failed, exitCode: 7 };
    expect(named(says, { paths, end })).toMatch(/^unknown/);
    expect(named(says, { paths, end, ...missedBy(main) })).toBe(
      "missing_path: its last failed call: a look at /etc/adduser.conf, ENOENT",
    );
    expect(named(`curl: (7) ${says}`, { paths, end, ...missedBy(main) })).toContain("unveil =");
  });
  it("that nobody has is said to be nowhere", () => {
    const paths = [{ path: "/etc/adduser.conf", found: undefined }];
    expect(named(says, { paths })).toBe(
      "missing_path: its last line names /etc/adduser.conf: nothing is there, neither in its root nor on the host",
    );
    expect(named(says, { paths, context: taskWith({ root: "host" }) })).toBe(
      "missing_path: its last line names /etc/adduser.conf: nothing is there",
    );
  });
  it.each([
    ["cannot open /srv/my file", "/srv/my"],
    ["cat: '/srv/caf\\351': No such file or directory", "/srv/caf\\351"],
  ])("of which the output may show a part is not said to be nowhere: %s", (output, path) => {
    expect(named(output, { paths: [{ path, found: undefined }] })).toMatch(/^unknown/);
  });
  it("that is there after all, or that could not be looked at, is no cause", () => {
    expect(named("cat: /usr/x: No such file or directory", { paths: [file("/usr/x")] })).toBe(
      "unknown: its cause is not known",
    );
    expect(named(says)).toBe("unknown: its cause is not known");
  });
});

describe("a refused access", () => {
  const says = "cat: /usr/local/key: Permission denied";
  it("is blamed on owner and mode only if they refuse it", () => {
    const secret = file("/usr/local/key", { uid: 0, gid: 0, mode: 0o100600, isFolder: false });
    expect(named(says, { paths: [secret] })).toBe(
      "permission: its last line: file /usr/local/key belongs to root, gid 0, mode 0600; the task runs as uid 80001",
    );
    expect(
      named(says, {
        paths: [file("/usr/local/key", { uid: 80001, gid: 80001, mode: 0o100600, isFolder: false })],
      }),
    ).toBe("unknown: its cause is not known");
  });
  it.each(["/var", "/srv/lock", "/srv/saved"])(
    "is not blamed on a mode that refuses writing if the message tells of none: %s",
    (path) => {
      const found = { uid: 0, gid: 0, mode: 0o40755, isFolder: true };
      const evidence = { paths: [file(path, found)], context: taskWith({ root: "host" }) };
      const says = (text: string) => named(text, evidence);
      expect(says(`ls: cannot open directory '${path}': Permission denied`)).toBe(
        "unknown: its cause is not known",
      );
      expect(says(`touch: cannot touch '${path}': Permission denied`)).toMatch(
        /^permission: its last line: folder .* mode 0755/,
      );
    },
  );
  it("is not blamed on a mode that lets a group of the task read", () => {
    const paths = [file("/usr/local/key", { uid: 0, gid: 44, mode: 0o100640, isFolder: false })];
    const asMemberOf = (groups: number[]) => named(says, { paths, context: taskWith({ groups }) });
    expect(asMemberOf([43, 44])).toBe("unknown: its cause is not known");
    expect(asMemberOf([43])).toMatch(
      /^permission: its last line: file \/usr\/local\/key belongs to root, gid 44, mode 0640/,
    );
  });
  it.each([
    "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)",
    "Error: listen EACCES: permission denied 0.0.0.0:80",
    "Error: listening tcp :80: bind: permission denied",
    "Could not create server TCP listening socket *:80: bind: Permission denied",
    'Permission denied - bind(2) for "127.0.0.1" port 80 (Errno::EACCES)',
    "[ALERT] cannot bind socket (Permission denied) for [0.0.0.0:80]",
    "failed to listen on TCP port 80: Permission denied",
  ])("to a low port is blamed on the capability, not on a denial that came before: %s", (says) => {
    expect(named(says, { refused })).toBe(
      "permission: its last line names port 80: those below 1024 take a capability that it does not have",
    );
    expect(named(says, { refused, ...failedCall("bind", "EACCES", "0.0.0.0:80") })).toBe(
      'permission: port 80 is below 1024 (its last failed call): it takes cap_add = ["net_bind_service"]',
    );
    expect(named(says.replace("80", "8080"), { context: taskWith() })).toMatch(/^unknown/);
    expect(named(says, { context: taskWith({ capabilities: ["net_bind_service"] }) })).toMatch(/^unknown/);
  });
  it("that the sandbox has recorded is blamed on the sandbox", () => {
    expect(named("cat: /srv/x: Permission denied", { refused })).toMatch(
      /^denied: it was denied reading \/srv\/x; unveil = \["r:\/srv\/x"\] allows it$/,
    );
    expect(named("", { refused: { ...refused, pid: main } })).toMatch(/^denied/);
    expect(named("", { refused: { ...refused, pid: main + 1 } })).toMatch(/^unknown/);
  });
  it.each([
    "listen tcp :8080: bind: address already in use",
    "cat: /srv/other: Permission denied",
    "fatal: bad configuration",
    "warning: /srv/x: Permission denied",
  ])("that the end of the output is not about is no cause: %s", (output) => {
    expect(named(output, { refused })).toMatch(/^unknown/);
  });
});

describe("a lack of memory", () => {
  const oom = { kills: 1, limitBytes: 64 * 2 ** 20, peakBytes: 64 * 2 ** 20 };
  const end = (data: typeof oom | { kills: number; limitBytes: null; peakBytes: null }): Exit => ({
    ...killedBy(9),
    oomKilled: true,
    oom: data,
  });
  it("of the task's own limit names the limit", () => {
    expect(named("", { end: end(oom) })).toBe(
      "memory_limit: killed by the kernel: 64 MiB memory limit was full; raise memory or memory_max",
    );
  });
  it("of another process than the main one is not said to have killed the task", () => {
    expect(named("", { end: { ...end(oom), exitCode: 3, signal: 0 } })).toMatch(
      /^memory_limit: the kernel killed one of its processes: 64 MiB memory limit was full/,
    );
  });
  it("of the host is not blamed on the task's limit", () => {
    for (const each of [
      { ...oom, peakBytes: 2 ** 20 },
      { kills: 1, limitBytes: null, peakBytes: null },
    ]) {
      expect(named("", { end: end(each) })).toMatch(/^host_memory: killed by the kernel: the host/);
    }
  });
  it("of the program's own bound is its own", () => {
    expect(named("FATAL ERROR: JavaScript heap out of memory", { end: killedBy(6) })).toBe(
      "program_memory: SIGABRT right after its last message: it ran out of memory by itself (JavaScript heap out of memory), not by the task's limit",
    );
  });
});

describe("a signal", () => {
  const limits = [{ resource: "RLIMIT_CPU", soft: 1, hard: 2 }];
  it.each([
    [
      killedBy(11),
      undefined,
      "signal: ended by SIGSEGV, whose usual reason is: it accessed memory that is not its own, which is a bug in",
    ],
    [
      killedBy(9),
      undefined,
      "signal: SIGKILL, sent by the kernel for lack of memory, or by a process, not by the driver",
    ],
    [killedBy(9), 1, "signal: SIGKILL, sent by"],
    [
      killedBy(9),
      2.1,
      "cpu_time: it used all of its CPU time, 2 s (ulimit cpu), and was killed by the kernel",
    ],
    [killedBy(24), undefined, "cpu_time: it used all of its CPU time: ulimit cpu = 1 s"],
    [killedBy(9), 1.95, "cpu_time: it used all of its CPU time, 2 s"],
    [{ ...failed, exitCode: 139 }, undefined, "unknown: its cause is not known"],
    [{ ...failed, exitCode: 127 }, undefined, "unknown: its cause is not known"],
  ])("%j after %s s of CPU time", (end, cpuSeconds, text) => {
    expect(named("", { end, cpuSeconds, context: taskWith({ resourceLimits: limits }) })).toContain(text);
  });
});

it.each([
  [
    "Error: listen EADDRINUSE: address already in use :::8080",
    { listener: "nginx", isListening: true },
    "port_in_use: its last line names port 8080, which is in use now, by nginx",
  ],
  ["Error: listen EADDRINUSE: address already in use :::8080", {}, "unknown: its cause is not known"],
  [
    "dd: error writing 'x': No space left on device",
    { disk: { path: "/srv", freeBytes: 0, totalBytes: 2 ** 30, freeFiles: 9 } },
    "disk_full: no space is left on a file system that it writes to: at /srv, 0 B of 1 GiB are free",
  ],
  [
    "dd: error writing 'x': No space left on device",
    { disk: { path: "/srv", freeBytes: 2 ** 29, totalBytes: 2 ** 30, freeFiles: 9 } },
    "unknown: its cause is not known",
  ],
  ["dial tcp 10.0.0.1:5432: connect: connection refused", {}, "unknown: its cause is not known"],
  [
    "dial tcp 127.0.0.1:5432: connect: connection refused",
    { isListening: false },
    "connection_refused: its last line names 127.0.0.1:5432: nobody listens there now",
  ],
  [
    "dial tcp 127.0.0.1:5432: connect: connection refused",
    { isListening: true },
    "unknown: its cause is not known",
  ],
  [
    "sh: 1: DB_PASSWORD: parameter not set",
    {},
    "missing_variable: its last line names the variable DB_PASSWORD, which its environment does not have",
  ],
  [
    "/opt/app/run.sh: line 12: DB_PASSWORD: set it in the job",
    {},
    "missing_variable: its last line names the variable DB_PASSWORD, which its environment does not have",
  ],
  ["sh: 1: PATH: required", {}, "unknown: its cause is not known"],
  ["sh: 1: DEPLOY: is read only", {}, "unknown: its cause is not known"],
  ["12:04:01: INFO: ready", {}, "unknown: its cause is not known"],
  [
    "sh: 1: nosuch: not found",
    { end: { ...failed, exitCode: 127 } },
    "missing_command: its shell did not find the command nosuch",
  ],
  [
    "app: symbol lookup error: app: undefined symbol: foo: not found",
    { end: { ...failed, exitCode: 127 } },
    "unknown: its cause is not known",
  ],
  ["page 7: not found", {}, "unknown: its cause is not known"],
  [
    "12:51:25.245 # Failed opening Unix socket: bind: Permission denied",
    {},
    "unknown: its cause is not known",
  ],
  [
    "pthread_create failed: Resource temporarily unavailable",
    { refusedProcesses: 3 },
    "processes: its limit on processes and threads was full, as the kernel counts: see pids_limit",
  ],
] as const)("%s", (output, evidence, text) => {
  expect(named(output, evidence)).toBe(text);
});

describe("a task that was killed", () => {
  const end: Exit = { ...killedBy(9), oom: null };

  it("for lack of memory, as the kernel's log says, is told what was full", () => {
    expect(named("", { end, oomKill: "host" })).toBe(
      "host_memory: killed by the kernel: the host ran out of memory, as the kernel's log says",
    );
    expect(named("", { end, oomKill: "cgroup" })).toMatch(
      /^host_memory: killed by the kernel: a memory limit was full that the driver did not set/,
    );
  });

  it("is told of the kernel only where nothing shows that it was not the kernel", () => {
    expect(named("", { end })).toMatch(
      /^signal: SIGKILL, sent by the kernel for lack of memory, or by a process/,
    );
    const oom = { kills: 0, limitBytes: null, peakBytes: null };
    for (const text of [named("", { end, oomKill: "none" }), named("", { end: { ...end, oom } })])
      expect(text).toMatch(
        /^signal: ended by SIGKILL, which the driver did not send; who did is not recorded$/,
      );
  });
});

describe("a limit on the task's disk", () => {
  const limitBytes = 300 * 2 ** 20;
  const context = taskWith({ disk: { limitBytes, project: 1, sharedProject: 2 } });
  const using = (bytes: number): Exit => ({ ...failed, disk: { bytes, files: 1 } });
  const full = "disk_full: its disk limit of 300 MiB was full; raise disk_limit";
  const noSpace = "dd: error writing 'x': No space left on device";

  it("is the cause of a failure if it was full, or if the kernel's error names it", () => {
    expect(named(noSpace, { context, end: using(limitBytes - 4096) })).toBe(full);
    const told = "dd: error writing 'x': Disk quota exceeded";
    expect(named(told, { context, end: using(0), ...failedCall("write", "EDQUOT", null) })).toBe(
      `${full} (its last failed call)`,
    );
    expect(named(told, { context, end: using(0) })).toBe(
      "disk_full: its last line tells of a quota, and it has a disk limit of 300 MiB (disk_limit)",
    );
    expect(named("", { context, end: using(limitBytes) })).toBe(full);
  });

  it("is not blamed otherwise", () => {
    const elsewhere = "unknown: its cause is not known";
    expect(named(noSpace, { context, end: using(4096) })).toBe(elsewhere);
    expect(named(noSpace, { end: using(limitBytes) })).toBe(elsewhere);
    expect(named("", { context, end: using(4096) })).toBe("unknown: its cause is not known");
  });
});

it("an end that was asked for, or that was no failure, has no cause", () => {
  expect(hasFailed({ ...failed, exitCode: 0 }, taskWith())).toBe(false);
  expect(hasFailed(failed, taskWith({}, [event("stopRequested")]))).toBe(false);
  expect(hasFailed(failed, taskWith())).toBe(true);
});

it("a signal for a write, which the kernel sends in the process's own name, is not the process's", () => {
  const context = taskWith({ resourceLimits: [{ resource: "RLIMIT_FSIZE", soft: 1_000, hard: 1_000 }] });
  const own: Sender = { pid: main, program: "head", user: "root", isOwn: true };
  const by = (signal: number, sender: Sender) =>
    named("", { context, end: killedBy(signal), ...recorded({ signals: [sent(signal, sender)] }) });
  expect(by(25, own)).toBe("file_size: a file got larger than its limit: ulimit fsize = 1000 bytes");
  expect(by(13, own)).not.toContain("sent by pid");
  expect(by(25, systemd)).toBe("signal: ended by SIGXFSZ, sent by pid 4711 (systemd), user root");
});

it("the advice of a cause is whole, however long its text would be", () => {
  const path = `/srv/${"x".repeat(300)}`;
  const denied: Refusal = { ...refused, object: path };
  const cause = causeOf(taskWith(), failed, readEnd([`cat: ${path}: Permission denied`]), nothing, {
    refusal: denied,
    beforeMs: 9,
  });
  expect(cause.text).toMatch(/^it was denied reading \/srv\/x+…x+$/);
  expect(cause.text.length).toBe(160);
  expect(cause.advice).toEqual([{ option: "unveil", value: [`r:${path}`] }]);
  expect(causeText(cause)).toBe(`${cause.text}; unveil = ["r:${path}"] allows it`);
});

it("a secret is masked in the advice, too", () => {
  const denied: Refusal = { ...refused, object: "/srv/secret-1" };
  const mask = (text: string) => text.replaceAll("secret-1", "masked");
  const lines = readEnd(["cat: /srv/secret-1: Permission denied"]);
  expect(
    JSON.stringify(causeOf(taskWith(), failed, lines, nothing, { refusal: denied, beforeMs: 9 }, mask)),
  ).not.toContain("secret-1");
});

it("whatever a program prints, the text is one line of at most 160 characters", () => {
  const words = fc.constantFrom(
    "ENOENT",
    "/etc/\u001b[31mx",
    "address in use",
    ":80",
    "Permission denied",
    "\u0000",
    "x".repeat(300),
  );
  const lines = fc.array(fc.oneof(fc.string(), words), { maxLength: 6 }).map((parts) => parts.join(" "));
  fc.assert(
    fc.property(lines, fc.array(fc.string().map((name) => `/${name}`)), (output, paths) => {
      const facts = paths.map((path) => ({ path, found: undefined }));
      const { text, line } = causeOf(taskWith(), failed, readEnd(output.split("\n")), {
        ...nothing,
        paths: facts,
      });
      expect(text.length).toBeLessThanOrEqual(160);
      expect(`${text}${line ?? ""}`).not.toMatch(/\p{Cc}/u);
    }),
  );
});

describe("a user without a name", () => {
  const said = "initdb: error: could not look up effective user ID 80001: user does not exist";
  const unnamed = "unknown: its cause is not known";
  const unveiling = (path: string) => taskWith({ unveiled: [{ path, mode: "r", source: "task" }] });

  it("is named, with the option that gives it one, where the root has no /etc/passwd", () => {
    expect(named(said)).toBe(
      "missing_path: its last line names its user 80001, and its root has no /etc/passwd: identity_files = true makes one",
    );
    expect(named(said, { context: unveiling("/etc/ssl") })).toMatch(/^missing_path: /);
  });

  it.each([
    ["the root has the file", unveiling("/etc/passwd")],
    ["the root has its folder", unveiling("/etc")],
    ["the root is the host's", taskWith({ root: "host" })],
    ["the task has another user", taskWith({ uid: 80002 })],
  ])("is not named if %s", (_, context) => {
    expect(named(said, { context })).toBe(unnamed);
  });

  it("is not named in a root of a folder, whose files are not known", () => {
    const { request } = taskWith();
    const options = { command: "initdb", args: [], root_dir: "local/root" };
    const context = { ...taskWith(), request: request && { ...request, options } };
    expect(named(said, { context })).toBe(unnamed);
  });

  it("is not named if it ended in another way than such programs do", () => {
    expect(named(said, { end: { ...failed, exitCode: 3 } })).toBe(unnamed);
  });
});
