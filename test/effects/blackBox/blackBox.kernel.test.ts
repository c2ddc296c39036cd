import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BlackBox } from "../../../src/effects/blackBox/blackBox.ts";
import type { FailedCall, Note, SentSignal } from "../../../src/effects/blackBox/notes.ts";
import { findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";
import { delegatedBounds } from "../../../src/effects/cgroup/delegatedCgroups.ts";
import { supportedArchitecture, systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const mount = findCgroup2Mount() ?? "";
const memfdCreate = systemCallNumber("memfd_create", supportedArchitecture());
let box: BlackBox;
let count = 0;
const cgroups: string[] = [];

beforeAll(async () => {
  box = await BlackBox.open(mount);
});

afterAll(() => {
  box?.[Symbol.dispose]();
  for (const cgroup of cgroups.toReversed()) rmdirSync(cgroup);
});

function newCgroup(parent = mount): string {
  count += 1;
  const cgroup = join(parent, `exec2-box-${process.pid}-${count}`);
  mkdirSync(cgroup);
  cgroups.push(cgroup);
  return cgroup;
}

const joining = (cgroup: string) => `echo $$ > ${cgroup}/cgroup.procs; exec sh -c "$0"`;

/** The notes on a shell in a cgroup of its own. */
function watch(script: string, cgroup = newCgroup()) {
  using run = box.watch(cgroup);
  const { stdout, status, signal } = spawnSync("sh", ["-c", joining(cgroup), script], { encoding: "utf8" });
  return { notes: run?.read() ?? [], out: stdout, status, signal };
}

const calls = (notes: readonly Note[]) => notes.filter((each): each is FailedCall => each.kind === "call");
const signals = (notes: readonly Note[]) =>
  notes.filter((each): each is SentSignal => each.kind === "signal");

const isIn = (offset: number, from: number, to: number) => offset >= from && offset < to;

/** The parts of an ELF file that are code, as offsets: elf(5). */
function codeOf(file: string): (readonly [from: number, to: number])[] {
  const bytes = readFileSync(file);
  const [table, size, count] = [
    Number(bytes.readBigUInt64LE(32)),
    bytes.readUInt16LE(54),
    bytes.readUInt16LE(56),
  ];
  return Array.from({ length: count }, (_, index) => table + index * size)
    .filter((at) => bytes.readUInt32LE(at) === 1 && (bytes.readUInt32LE(at + 4) & 1) === 1)
    .map((at) => {
      const from = Number(bytes.readBigUInt64LE(at + 8));
      return [from, from + Number(bytes.readBigUInt64LE(at + 32))] as const;
    });
}

describe("the black box", () => {
  it("has the names that were not found, also relative ones, with the program", () => {
    const { notes } = watch("cat /nonexistent/file; cd /usr/lib && exec cat not/there");
    const found = calls(notes).filter(({ program }) => program === "cat");
    expect(found).toContainEqual(
      expect.objectContaining({ call: "openat", error: "ENOENT", path: "/nonexistent/file" }),
    );
    expect(found).toContainEqual(expect.objectContaining({ path: "/usr/lib/not/there" }));
  });

  it("has a repeated failure once, and of many the last ones", () => {
    const { notes } = watch("for i in $(seq 500); do [ -e /none/same ]; [ -e /none/$i ]; done");
    const paths = calls(notes).flatMap(({ path }) => path ?? []);
    expect(paths.filter((each) => each === "/none/same")).toHaveLength(1);
    expect(paths.length).toBeLessThanOrEqual(64);
    expect(paths.slice(-2)).toEqual(["/none/same", "/none/500"]);
  });

  it("keeps other failures, however much is looked for and not found after them", () => {
    const { notes } = watch("echo x > /dev/full; for i in $(seq 500); do [ -e /none/$i ]; done");
    const others = calls(notes).filter(({ error }) => error !== "ENOENT");
    expect(others).toContainEqual(expect.objectContaining({ call: "write", error: "ENOSPC" }));
    expect(calls(notes).length - others.length).toBeLessThanOrEqual(32);
  });

  it("has other calls that failed, with addresses and sockets, but not what succeeded or is merely over", () => {
    const { notes } = watch(
      `exec perl -MSocket=:all -e '
        socket S, AF_INET, SOCK_STREAM, 0; connect S, pack_sockaddr_in 1, inet_aton "127.0.0.1";
        socket T, AF_INET6, SOCK_STREAM, 0; connect T, pack_sockaddr_in6 1, inet_pton AF_INET6, "::1";
        socket U, AF_UNIX, SOCK_STREAM, 0; connect U, pack_sockaddr_un "/none/socket";
        open F, "<", "/etc/passwd"; mkdir "/tmp"; readlink "/"; chroot "/none"; setpriority 0, 0, -99; wait;
        $! = 0; open G, ">", "/dev/full"; syswrite G, "x"'`,
    );
    const found = calls(notes).filter(({ program }) => program === "perl");
    const text = ({ call, error, path, address }: FailedCall) => [call, error, path ?? address].join(" ");
    expect(found.map(text)).toEqual(
      expect.arrayContaining([
        "connect ECONNREFUSED 127.0.0.1:1",
        "connect ECONNREFUSED [::1]:1",
        "connect ENOENT /none/socket",
        "write ENOSPC ",
      ]),
    );
    expect(found.filter(({ path }) => ["/etc/passwd", "/tmp", "/"].includes(path ?? ""))).toEqual([]);
    expect(found.filter(({ call }) => call.startsWith("wait"))).toEqual([]);
  });

  it("tells who sent a signal: another process, the run itself, or the kernel", () => {
    const cgroup = newCgroup();
    using run = box.watch(cgroup);
    const sleeper = `sh -c 'echo $$ > ${cgroup}/cgroup.procs; exec sleep 60' & until grep -qx $! ${cgroup}/cgroup.procs; do sleep 0.02; done;`;
    const { stdout } = spawnSync("sh", ["-c", `${sleeper} kill -STOP $!; kill -KILL $!; echo $$ $!; wait`], {
      encoding: "utf8",
    });
    const [sender, target] = stdout.trim().split(" ").map(Number);
    const from = { pid: sender, target, uid: 0, program: "sh", isOfKernel: false, isOwn: false };
    expect(signals(run?.read() ?? [])).toEqual([
      expect.objectContaining({ signal: 19, ...from }),
      expect.objectContaining({ signal: 9, ...from }),
    ]);
    const own = watch("kill -TERM $$");
    expect(own.signal).toBe("SIGTERM");
    expect(signals(own.notes)).toEqual([
      expect.objectContaining({ signal: 15, isOwn: true, isOfKernel: false }),
    ]);
    const fault = watch("exec perl -e 'unpack q(p), pack q(Q), 8'");
    expect(fault.signal).toBe("SIGSEGV");
    expect(signals(fault.notes)).toEqual([expect.objectContaining({ signal: 11, isOfKernel: true })]);
    const limit = watch("ulimit -t 1; while :; do :; done");
    expect(limit.signal).toBe("SIGKILL");
    expect(signals(limit.notes)).toContainEqual(expect.objectContaining({ signal: 9, isOfKernel: true }));
  });

  it("tells in which file a program crashed, and where in it", () => {
    const { notes } = watch("exec perl -e 'unpack q(p), pack q(Q), 8'");
    const [crash] = notes.filter((each) => each.kind === "crash");
    expect(crash).toMatchObject({ signal: 11, program: "perl", file: expect.stringContaining("libc.so.6") });
    expect(codeOf(crash?.file ?? "").some(([from, to]) => isIn(crash?.offset ?? -1, from, to))).toBe(true);
    const nowhere = watch("exec perl -e 'kill SEGV => $$'").notes;
    expect(nowhere.filter((each) => each.kind === "crash")).toEqual([]);
  });

  it("tells in which file of an overlay a program crashed, and has a crash in a file without a path", () => {
    const crashing = "exec perl -e 'unpack q(p), pack q(Q), 8'";
    const crashOf = (script: string) => watch(script).notes.find((each) => each.kind === "crash");
    const { file = "", offset } = crashOf(crashing) ?? {};
    const [overlay, other] = [temporaryFolder(), temporaryFolder()];
    const mounting = `mount -t overlay test -o lowerdir=${dirname(file)}:${other} ${overlay}`;
    const overlaid = `export LD_LIBRARY_PATH=${overlay}; ${crashing}`;
    expect(crashOf(`exec unshare -m sh -c '${mounting}; exec sh -c "$0"' "${overlaid}"`)).toMatchObject({
      file: join(overlay, basename(file)),
      offset,
    });
    const copy = `$^F = 99; open L, "<", "${file}"; my $name = "m"; open F, ">&=", $d = syscall ${memfdCreate}, $name, 0;`;
    const preloaded = `perl -e '${copy} local $/; syswrite F, <L>; $ENV{LD_PRELOAD} = "/proc/self/fd/$d"; exec "sh", "-c", $ARGV[0]'`;
    const nowhere = crashOf(`exec ${preloaded} "${crashing}"`);
    expect(nowhere).toMatchObject({ signal: 11, offset });
    expect(nowhere?.file).toBeUndefined();
  });

  it("tells which thread ended a process by itself, and with which code", () => {
    const ends = (script: string) => watch(script).notes.filter((each) => each.kind === "end");
    expect(ends("sh -c 'exit 3'; exit 5")).toMatchObject([
      { program: "sh", exitCode: 3 },
      { program: "sh", exitCode: 5 },
    ]);
    const threads =
      "import os, threading; threading.Thread(target=lambda: os._exit(7)).start(); threading.Event().wait()";
    const [byThread] = ends(`exec /usr/bin/python3 -c '${threads}'`);
    expect(byThread).toMatchObject({ program: "python3", exitCode: 7 });
    expect(byThread?.thread).not.toBe(byThread?.pid);
    expect(ends("kill -TERM $$")).toEqual([]);
  });

  it("watches a cgroup below a run's, and no other process", () => {
    const cgroup = newCgroup();
    using run = box.watch(cgroup);
    const below = newCgroup(cgroup);
    spawnSync("sh", ["-c", joining(below), "[ -e /none/below ]; kill -TERM $$"]);
    spawnSync("sh", ["-c", "[ -e /none/elsewhere ]; kill -TERM $$"]);
    const notes = run?.read() ?? [];
    expect(calls(notes).map(({ path }) => path)).toContain("/none/below");
    expect(calls(notes).map(({ path }) => path)).not.toContain("/none/elsewhere");
    expect(signals(notes)).toHaveLength(1);
  });

  it("knows processes in the deepest cgroups, and whether a signal comes from the same part of the run", () => {
    const cgroup = newCgroup();
    using run = box.watch(cgroup);
    const part = newCgroup(cgroup);
    const inPart = newCgroup(part);
    const deepest = Array.from({ length: delegatedBounds.depth }).reduce(
      (each: string) => newCgroup(each),
      part,
    );
    const elsewhere = newCgroup(cgroup);
    // Read after each, because one signal may take the slot of another.
    const told = new Map<string, SentSignal>();
    const read = () => {
      for (const each of signals(run?.read() ?? [])) told.set(`${each.signal} of ${each.pid}`, each);
    };
    spawnSync("sh", ["-c", joining(deepest), "[ -e /none/deepest ]; kill -TERM $$"]);
    read();
    expect(calls(run?.read() ?? []).map(({ path }) => path)).toContain("/none/deepest");
    const sleeping = `sh -c 'echo $$ > ${deepest}/cgroup.procs; exec sleep 60' & until grep -qx $! ${deepest}/cgroup.procs; do sleep 0.02; done;`;
    const senders = [part, inPart, elsewhere, cgroup].map((from) => {
      const kill = `sh -c 'echo $$ > ${from}/cgroup.procs; kill -KILL '$!' ; echo $$'; wait`;
      const { stdout } = spawnSync("sh", ["-c", `${sleeping} ${kill}`], { encoding: "utf8" });
      read();
      return Number(stdout);
    });
    const all = [...told.values()];
    expect(all.map(({ signal, pid, isOwn }) => ({ signal, pid, isOwn }))).toEqual([
      { signal: 15, pid: all[0]?.target, isOwn: true },
      ...senders.map((pid, index) => ({ signal: 9, pid, isOwn: index < 2 })),
    ]);
  });

  it("gives the slots of a run that is over to the next run, which has none of the old notes", () => {
    const cgroup = newCgroup();
    expect(calls(watch("[ -e /none/first ]", cgroup).notes).map(({ path }) => path)).toContain("/none/first");
    const { notes } = watch("[ -e /none/second ]", cgroup);
    expect(calls(notes).map(({ path }) => path)).toContain("/none/second");
    expect(calls(notes).map(({ path }) => path)).not.toContain("/none/first");
  });
});
