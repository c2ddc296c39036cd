/** The record of a failed run, from the notes of the black box. */
import { describe, expect, it } from "vitest";
import type { FailedCall, ProcessEnded, SentSignal } from "../../../src/effects/blackBox/notes.ts";
import { lookedFor, recordOf } from "../../../src/history/cause/blackBox.ts";

const call = (timeNs: number, more: Partial<FailedCall> = {}): FailedCall => ({
  ...{ kind: "call", timeNs: BigInt(timeNs), pid: 7, thread: more.pid ?? 7, program: "perl" },
  ...{ call: "openat", error: "ENOENT", ...more },
});
const signal = (timeNs: number, more: Partial<SentSignal> = {}): SentSignal => ({
  ...{ kind: "signal", timeNs: BigInt(timeNs), pid: 11, program: "bash", uid: 0, signal: 15 },
  ...{ target: 7, isOfKernel: false, isOwn: false, ...more },
});
const end = (timeNs: number, pid: number, more: Partial<ProcessEnded> = {}): ProcessEnded => ({
  ...{ kind: "end", timeNs: BigInt(timeNs), pid, thread: pid, program: "sh", exitCode: 1, ...more },
});
const context = {
  timeOf: ({ timeNs }: { timeNs: bigint }) => 1_000 + Number(timeNs),
  userOf: (uid: number) => (uid === 0 ? "root" : `uid ${uid}`),
  driver: 99,
  main: 7,
};

describe("the record of the black box", () => {
  it("asks the host for each path that was not found, once, in the order of their last look-ups", () => {
    const notes = [
      call(1, { path: "/etc/a" }),
      call(2, { path: "/etc/./b" }),
      call(3, { path: "/etc/x", error: "EACCES" }),
      call(4, { path: "/etc/b/../a" }),
      call(5, { path: "/srv/file/below", error: "ENOTDIR" }),
      call(6),
      signal(7),
    ];
    expect(lookedFor(notes).map(({ path }) => path)).toEqual(["/etc/b", "/etc/a", "/srv/file/below"]);
    expect(lookedFor(notes)[1]?.note).toBe(notes[3]);
  });

  it("looks up a limited number of paths: the last ones", () => {
    const many = Array.from({ length: 100 }, (_, index) => call(index, { path: `/none/${index}` }));
    expect(lookedFor(many)).toHaveLength(32);
    expect(lookedFor(many).at(-1)?.path).toBe("/none/99");
  });

  it("has missed paths, other failed calls and signals, each a limited number of the last ones", () => {
    const missed = call(1, { path: "/etc/app.conf" });
    const calls = Array.from({ length: 20 }, (_, index) =>
      call(10 + index, { call: "connect", error: "ECONNREFUSED", address: `10.0.0.1:${index}` }),
    );
    const plain = call(40, { call: "write", error: "ENOSPC" });
    const signals = Array.from({ length: 9 }, (_, index) => signal(50 + index));
    const record = recordOf(
      [missed, ...calls, plain, ...signals],
      [{ path: "/etc/app.conf", note: missed }],
      context,
    );
    expect(record.missed).toEqual([{ path: "/etc/app.conf", pid: 7, thread: 7, program: "perl", at: 1_001 }]);
    expect(record.calls).toHaveLength(12);
    expect(record.calls.slice(-2)).toEqual([
      ...[
        {
          call: "connect",
          error: "ECONNREFUSED",
          object: "10.0.0.1:19",
          pid: 7,
          thread: 7,
          program: "perl",
          at: 1_029,
        },
      ],
      ...[{ call: "write", error: "ENOSPC", object: null, pid: 7, thread: 7, program: "perl", at: 1_040 }],
    ]);
    expect(record.signals).toHaveLength(4);
    expect(record.signals.at(-1)).toEqual({
      ...{ signal: 15, target: 7, at: 1_058 },
      sender: { pid: 11, program: "bash", user: "root", isOwn: false },
    });
  });

  it("keeps the last call of each errno and of the thread that ended the main process, and what was not found only if there is room", () => {
    const refused = call(1, { call: "bind", error: "EADDRINUSE", address: "127.0.0.1:80", pid: 8 });
    const ofMain = call(2, { path: "/srv/x" });
    const absent = Array.from({ length: 40 }, (_, index) =>
      call(10 + index, { path: `/none/${index}`, pid: 8 }),
    );
    const { calls } = recordOf([refused, ofMain, ...absent, end(90, 7)], [], context);
    expect(calls.slice(0, 2)).toMatchObject([
      { error: "EADDRINUSE", object: "127.0.0.1:80" },
      { error: "ENOENT", object: "/srv/x" },
    ]);
    expect(calls).toHaveLength(12);
    expect(calls.at(-1)?.object).toBe("/none/39");
  });

  it("has the last processes that ended by themselves, up to the main one", () => {
    const { ends } = recordOf(
      [...[2, 3, 4, 5].map((pid) => end(pid, pid)), end(8, 7, { thread: 6 }), end(9, 1)],
      [],
      context,
    );
    expect(ends?.map(({ pid }) => pid)).toEqual([3, 4, 5, 7]);
    expect(ends?.at(-1)).toEqual({ exitCode: 1, pid: 7, thread: 6, program: "sh", at: 1_008 });
    expect(recordOf([end(1, 2)], [], context).ends).toHaveLength(1);
  });

  it("says of a signal that the kernel or the driver sent it", () => {
    const senders = recordOf(
      [signal(1, { isOfKernel: true }), signal(2, { pid: 99, program: "node" }), signal(3, { uid: 5 })],
      [],
      context,
    ).signals.map(({ sender }) => sender);
    expect(senders).toEqual([
      null,
      expect.objectContaining({ pid: 99, program: "nomad-driver-exec2" }),
      expect.objectContaining({ user: "uid 5" }),
    ]);
  });
});
