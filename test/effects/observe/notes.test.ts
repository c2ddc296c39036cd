import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AF_INET, AF_INET6 } from "../../../src/effects/kernel/constants.ts";
import { addressLayout, noteKinds, noteLayout, readNote } from "../../../src/effects/observe/notes.ts";

function note(kind: keyof typeof noteKinds, detail: number, ...texts: readonly string[]): Buffer {
  const bytes = Buffer.alloc(noteLayout.bytes);
  bytes.writeBigUInt64LE(42n, noteLayout.cgroup);
  bytes.writeUInt32LE(noteKinds[kind], noteLayout.kind);
  bytes.writeInt32LE(detail, noteLayout.detail);
  bytes.write(texts.map((text) => `${text}\0`).join(""), noteLayout.text);
  return bytes;
}

const accessOf = (...given: Parameters<typeof note>) => readNote(note(...given))?.access;

describe("a note", () => {
  it("has a path in reverse order of its names", () => {
    expect(accessOf("opened", 1, "passwd", "etc")).toMatchObject({
      path: "/etc/passwd",
      read: true,
      write: false,
    });
    expect(accessOf("executed", 0)).toEqual({ kind: "executed", path: "/" });
  });

  it("has a name, and the folder where it begins", () => {
    expect(accessOf("lookUp", -2, "/etc/x")).toEqual({
      kind: "named",
      use: "lookUp",
      path: "/etc/x",
      errno: 2,
    });
    expect(accessOf("openName", 0, "../x", "b", "a")).toMatchObject({ path: "/a/b/../x", errno: 0 });
  });

  it("has the flags with which a file was opened", () => {
    expect(accessOf("opened", 0x10_0002, "x")).toMatchObject({ read: false, write: true, created: true });
    expect(accessOf("opened", 0o1001, "x")).toMatchObject({ read: true, write: true, created: false });
  });

  it("has ports in network order, and capabilities", () => {
    const connect = note("connect", (1 << 16) | 0xbb01);
    connect.writeUInt32LE(AF_INET, addressLayout.family);
    connect.set([192, 0, 2, 7], addressLayout.address);
    expect(readNote(connect)?.access).toEqual({
      ...{ kind: "connected", address: "192.0.2.7", port: 443, tcp: true },
    });
    connect.writeUInt32LE(AF_INET6, addressLayout.family);
    connect.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 7], addressLayout.address);
    expect(readNote(connect)?.access).toMatchObject({ address: "192.0.2.7" });
    expect(accessOf("bind", (2 << 16) | 0x3500)).toEqual({ kind: "bound", port: 53, tcp: false });
    expect(accessOf("capability", 0x10a)).toEqual({ kind: "capability", number: 10, refused: true });
  });

  it("is valid if its kind is known, whatever its other bytes are, and undefined otherwise", () => {
    const kinds: readonly number[] = Object.values(noteKinds);
    const anyBytes = fc.uint8Array({ minLength: noteLayout.bytes, maxLength: noteLayout.bytes });
    fc.assert(
      fc.property(fc.nat({ max: kinds.length + 2 }), anyBytes, (kind, any) => {
        const bytes = Buffer.from(any);
        bytes.writeUInt32LE(kind, noteLayout.kind);
        const note = readNote(bytes);
        if (!kinds.includes(kind)) {
          expect(note).toBeUndefined();
          return;
        }
        expect(note?.cgroup).toBe(bytes.readBigUInt64LE(noteLayout.cgroup));
        expect(Object.values(note?.access ?? { none: undefined })).not.toContain(undefined);
        expect(Object.values(note?.access ?? {})).not.toContain(Number.NaN);
      }),
    );
  });
});
