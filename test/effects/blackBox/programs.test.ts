import { describe, expect, it } from "vitest";
import { noteKinds } from "../../../src/effects/blackBox/notes.ts";
import { boxPrograms, callTable } from "../../../src/effects/blackBox/programs.ts";
import type { KernelTypes } from "../../../src/effects/bpf/btf.ts";
import { type SystemCallName, systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";

/** Types of a kernel in which each field has an offset of its own. */
function fakeTypes(): KernelTypes {
  const known = new Map<string, number>();
  const offset = (path: string) => {
    if (!known.has(path)) known.set(path, 8 * (known.size + 1));
    return known.get(path) ?? 0;
  };
  return { offset, findOffset: offset } as unknown as KernelTypes;
}

const maps = { watched: 11, level: 12, notes: 13, buffers: 14, calls: 15, pageShift: 12 };

describe.each(["x64", "arm64"] as const)("the black box on %s", (architecture) => {
  const table = callTable(fakeTypes(), architecture);
  const entryOf = (name: SystemCallName) => table.get(systemCallNumber(name, architecture) ?? -1);
  const notes = (name: SystemCallName, errno: number) =>
    (((entryOf(name)?.[4 + (errno >>> 5)] ?? 0) >>> (errno & 31)) & 1) === 1;

  it("has programs whose jumps all have their labels, and that leave at once without a failure", () => {
    const programs = boxPrograms(fakeTypes(), architecture, maps);
    expect(programs.map(({ tracepoint }) => tracepoint)).toEqual([
      ...["sys_exit", "signal_generate", "sched_process_exit", "signal_generate"],
    ]);
    const [calls, signals, ends, crashes] = programs.map(({ bytes }) => Buffer.from(bytes));
    const functionAt = programs[3]?.functionAt ?? 0;
    // Before the function is the exit of the program itself.
    expect(crashes?.toString("hex", functionAt * 8 - 8, functionAt * 8)).toBe(`95${"0".repeat(14)}`);
    // r9 = r1; r2 = the result; if r2 >= 0 goto end
    expect(calls?.toString("hex", 0, 18)).toBe(`bf190000${"0".repeat(8)}79920800${"0".repeat(8)}7502`);
    for (const bytes of [calls, signals, ends])
      expect(bytes?.toString("hex").endsWith(`b7${"0".repeat(14)}95${"0".repeat(14)}`)).toBe(true);
    // The kernel does not check longer programs of unprivileged users; these are far below its limit for root.
    for (const bytes of [calls, signals, ends, crashes]) expect(bytes?.length).toBeLessThan(4096 * 8);
  });

  it("notes the names and addresses of calls, and of others only that they failed", () => {
    expect(entryOf("openat")?.[0]).toBe(noteKinds.name);
    expect(entryOf("execve")?.[0]).toBe(noteKinds.name);
    expect(entryOf("connect")?.[0]).toBe(noteKinds.address);
    expect(entryOf("write")?.[0]).toBe(noteKinds.plain);
  });

  it("leaves out what programs fail with while all is well", () => {
    const [ENOENT, EAGAIN, EACCES, EEXIST, EINVAL, ENOSPC, ECHILD] = [2, 11, 13, 17, 22, 28, 10];
    const [ECONNREFUSED, EINPROGRESS, ETIMEDOUT] = [111, 115, 110];
    expect([ENOENT, EACCES, ENOSPC].filter((each) => !notes("openat", each))).toEqual([]);
    expect([EAGAIN, EEXIST, EINVAL].filter((each) => notes("openat", each))).toEqual([]);
    expect(notes("connect", ECONNREFUSED) && notes("connect", ETIMEDOUT)).toBe(true);
    expect(notes("connect", EINPROGRESS)).toBe(false);
    expect(notes("write", ENOSPC)).toBe(true);
    expect(notes("clone", EAGAIN) && notes("clone3", EAGAIN)).toBe(true);
    expect(notes("wait4", ECHILD) || notes("futex", ETIMEDOUT) || notes("read", EAGAIN)).toBe(false);
  });
});
