import { describe, expect, it } from "vitest";
import { noteKinds, noteLayout, readNote, signalLayout } from "../../../src/effects/blackBox/notes.ts";
import { systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";

const openat = systemCallNumber("openat", "x64") ?? -1;

/** A note as the programs write it. */
function noteOf(kind: number, text: Buffer | string, { number = openat, result = 2 } = {}): Buffer {
  const bytes = Buffer.alloc(noteLayout.bytes);
  bytes.writeBigUInt64LE(123n, noteLayout.time);
  for (const [offset, value] of [
    ...[
      [noteLayout.run, 5],
      [noteLayout.pid, 7],
      [noteLayout.thread, 8],
      [noteLayout.uid, 1000],
      [noteLayout.number, number],
    ],
    ...[[noteLayout.kind, kind]],
  ] as const)
    bytes.writeUInt32LE(value as number, offset as number);
  bytes.writeInt32LE(result, noteLayout.result);
  bytes.write("perl", noteLayout.program);
  bytes.set(Buffer.from(text), noteLayout.text);
  return bytes;
}

const read = (bytes: Buffer) => readNote(bytes, 5, "x64");

describe("a note", () => {
  it("of a call has its name, its error and the process", () => {
    expect(read(noteOf(noteKinds.plain, ""))).toEqual({
      ...{ kind: "call", timeNs: 123n, pid: 7, thread: 8, program: "perl", call: "openat", error: "ENOENT" },
    });
    expect(read(noteOf(noteKinds.plain, "", { number: 500 }))).toMatchObject({ call: "call 500" });
  });

  it("of an end has the exit code, and the thread that ended the process", () => {
    expect(read(noteOf(noteKinds.end, "", { result: 3 }))).toEqual({
      ...{ kind: "end", timeNs: 123n, pid: 7, thread: 8, program: "perl", exitCode: 3 },
    });
  });

  it("of another run is none", () => {
    expect(readNote(noteOf(noteKinds.plain, ""), 6, "x64")).toBeUndefined();
  });

  it.each([
    ["/etc/app.conf\0", "/etc/app.conf"],
    ["app.conf\0etc\0usr\0", "/usr/etc/app.conf"],
    ["app.conf\0", "/app.conf"],
    ["", undefined],
  ])("has a path: %j", (text, path) => {
    expect(read(noteOf(noteKinds.name, text))).toEqual(
      path === undefined
        ? expect.not.objectContaining({ path: expect.anything() })
        : expect.objectContaining({ path }),
    );
  });

  // The family is in the machine's order, the port in that of the network.
  it.each([
    ["020001bb0a000001", "10.0.0.1:443"],
    [`0a00005000000000${"00".repeat(15)}01`, "[::1]:80"],
    [`0a0000500000000020010db8${"00".repeat(11)}02`, "[2001:db8::2]:80"],
  ])("has an address: %s", (hex, address) => {
    expect(read(noteOf(noteKinds.address, Buffer.from(hex, "hex")))).toMatchObject({ address });
  });

  it.each([
    [0, false],
    [-6, false],
    [-1, false],
    [0x80, true],
    [1, true],
    [-2, true],
  ])("of a signal says by its code %i whether the kernel sent it", (code, isOfKernel) => {
    const bytes = noteOf(noteKinds.signal, "", { number: 9, result: code });
    bytes.writeBigUInt64LE(40n, signalLayout.part);
    bytes.writeBigUInt64LE(41n, signalLayout.senderPart);
    bytes.writeUInt32LE(12, signalLayout.target);
    const expected = { kind: "signal", signal: 9, pid: 7, program: "perl", uid: 1000, target: 12 };
    expect(read(bytes)).toMatchObject({ ...expected, isOfKernel, isOwn: false });
    bytes.writeBigUInt64LE(40n, signalLayout.senderPart);
    expect(read(bytes)).toMatchObject({ isOwn: true });
  });
});
