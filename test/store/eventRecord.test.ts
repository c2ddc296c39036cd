import { createHash } from "node:crypto";
import fc from "fast-check";
import { Packr, unpack } from "msgpackr";
import { describe, expect, it } from "vitest";
import {
  encodeRecord,
  isDefect,
  NO_HASH,
  placeOf,
  readRecord,
  SALT_BYTES,
  sealData,
} from "../../src/store/eventRecord.ts";
import type { EventToAppend } from "../../src/store/eventStore.ts";
import { sampleEvent } from "../support/history/sampleEvents.ts";

const pack = (value: unknown) => new Packr({ useRecords: false, variableMapSize: true }).pack(value);
const salt = Buffer.from("0123456789abcdef");
const place = {
  stream: "alloc/web/0123abcd",
  seq: 2,
  position: 70_000_000_000,
  previousHash: "ab".repeat(32),
};
const encode = (event: EventToAppend, at = place) => {
  const { bytes, event: stored } = encodeRecord(event, at, sealData(event.data, salt));
  return { bytes: Buffer.from(bytes), stored };
};

const text = fc.string({ unit: "grapheme", maxLength: 20 });
const number = fc.oneof(
  fc.integer(),
  fc.double().map((n) => n + 0),
  fc.maxSafeInteger(),
);
const plain = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, text, number, fc.boolean(), fc.constant(null), tie("list"), tie("object")),
  list: fc.array(tie("value"), { maxLength: 5 }),
  object: fc.dictionary(
    text.filter((key) => key !== "__proto__"),
    tie("value"),
    { maxKeys: 5, noNullPrototype: true },
  ),
})).value;
const anyEvent: fc.Arbitrary<EventToAppend> = fc.record({
  type: text,
  schema: fc.nat(),
  time: fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
  data: plain,
  from: text,
  to: text,
  effects: fc.array(text, { maxLength: 4 }),
});
const anyPlace = fc.record({
  stream: text,
  seq: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  position: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
  previousHash: fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((bytes) => Buffer.from(bytes).toString("hex")),
});

describe("event records", () => {
  it("decode to the same event and place", () => {
    fc.assert(
      fc.property(anyEvent, anyPlace, (event, at) => {
        const { bytes, stored } = encode(event, at);
        const { previousHash, ...where } = at;
        expect(stored).toEqual({ ...event, ...where, hash: stored.hash });
        expect(readRecord(bytes)).toEqual({ event: stored, previousHash });
      }),
    );
  });

  it("name their stream, however long its name is, and their number, before anything else is read of them", () => {
    const names = fc.oneof(
      text,
      fc.integer({ min: 0, max: 70_000 }).map((length) => "n".repeat(length)),
    );
    fc.assert(
      fc.property(anyEvent, anyPlace, names, (event, at, stream) => {
        const { bytes } = encode(event, { ...at, stream });
        expect(placeOf(bytes)).toEqual({ stream, seq: at.seq });
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 90 }), (bytes) => {
        const place = placeOf(Buffer.from(bytes));
        expect(typeof place?.stream).toBe(place === undefined ? "undefined" : "string");
      }),
    );
  });

  it("have the documented layout", () => {
    const event = sampleEvent("x");
    const { bytes, stored } = encode(event);
    const header = 69 + bytes.readUInt32BE(1);
    const sha = (...parts: Uint8Array[]) => createHash("sha256").update(Buffer.concat(parts)).digest("hex");
    expect(bytes[0]).toBe(1);
    expect(bytes.toString("hex", 5, 37)).toBe(place.previousHash);
    expect(bytes.toString("hex", 37, 69)).toBe(sha(bytes.subarray(header + 32)));
    expect(unpack(bytes.subarray(69, header))).toEqual([
      place.stream,
      2,
      70_000_000_000,
      event.type,
      1,
      event.time,
      "running",
      "running",
      event.effects,
    ]);
    expect(bytes.toString("hex", header, header + 32)).toBe(sha(bytes.subarray(0, header)));
    expect(stored.hash).toBe(sha(bytes.subarray(0, header)));
    expect(bytes.subarray(header + 32, header + 32 + SALT_BYTES)).toEqual(salt);
    expect(unpack(bytes.subarray(header + 32 + SALT_BYTES))).toEqual({ label: "x" });
  });

  it("of version 1 stay readable", () => {
    const read = readRecord(Buffer.from(VERSION_1, "base64"));
    expect(read).toMatchObject({
      event: {
        stream: "web",
        seq: 1,
        position: 1,
        type: "exited",
        schema: 1,
        time: 1_764_000_000_123.5,
        data: { exitCode: 0 },
        from: "running",
        to: "exited",
        effects: ["releaseRun"],
      },
      previousHash: NO_HASH,
    });
  });

  it("reveal any flipped bit", () => {
    const { bytes } = encode(sampleEvent("flipped", { label: "text", list: [1, 2.5, null, true] }));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(isDefect(readRecord(damaged)), `bit ${bit}`).toBe(true);
      expect(isDefect(readRecord(damaged, { unread: "list" })), `bit ${bit}, the list unread`).toBe(true);
    }
  });

  it("can be decoded without a list that the caller does not need", () => {
    const { bytes, stored } = encode(sampleEvent("planned", { label: "text", list: [1, "two"] }));
    expect(readRecord(bytes, { unread: "list" })).toMatchObject({
      event: { ...stored, data: { label: "text", list: [] } },
    });
    expect(readRecord(bytes, { unread: "label" })).toMatchObject({ event: stored });
  });

  it("reveal missing, added or changed bytes", () => {
    const { bytes } = encode(sampleEvent("damaged"));
    for (let length = 0; length < bytes.length; length++) {
      expect(isDefect(readRecord(bytes.subarray(0, length))), `cut to ${length}`).toBe(true);
    }
    expect(readRecord(Buffer.concat([bytes, Buffer.from([0])]))).toMatchObject({ kind: "data" });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (random) => isDefect(readRecord(Buffer.from(random)))),
    );
  });

  it("are refused if their hashes are right but their content is no event", () => {
    const place = {
      stream: "s",
      seq: 1,
      position: 1,
      type: "exited",
      schema: 1,
      time: 1,
      from: "a",
      to: "b",
    };
    const header: unknown[] = [...Object.values(place), []];
    const read = (header: unknown, data: unknown) =>
      readRecord(sealedRecord(Buffer.from(pack(header)), Buffer.from(pack(data))));
    expect(read(header, { exitCode: 0 })).toMatchObject({ event: { ...place, data: { exitCode: 0 } } });
    for (const other of [
      header.slice(1),
      [...header, 1],
      header.with(1, "1"),
      header.with(8, [1]),
      {},
      null,
    ]) {
      expect(read(other, {})).toMatchObject({ kind: "format" });
    }
    for (const data of [2n ** 60n, { list: [new Date()] }]) {
      expect(read(header, data)).toMatchObject({ kind: "data", header: place });
    }
    const cut = Buffer.from(pack(header)).subarray(0, -1);
    expect(readRecord(sealedRecord(cut, Buffer.from(pack({}))))).toMatchObject({ kind: "format" });
    expect(readRecord(sealedRecord(Buffer.from(pack(header)), Buffer.from("c1", "hex")))).toMatchObject({
      kind: "data",
    });
  });

  it("that are damaged are reported with the expected and the found value", () => {
    const { bytes, stored } = encode(sampleEvent("x"));
    const changed = (at: number) => {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] as number) ^ 1;
      return readRecord(copy);
    };
    expect(changed(0)).toEqual({ kind: "format", expected: "version 1", found: "version 0" });
    expect(changed(80)).toMatchObject({ kind: "hash", expected: stored.hash });
    expect(changed(bytes.length - 1)).toMatchObject({
      kind: "data",
      expected: bytes.toString("hex", 37, 69),
    });
  });

  it("remain links of the chain without their data", () => {
    const { bytes, stored } = encode(sampleEvent("secret"));
    const withheld = bytes.subarray(0, 69 + bytes.readUInt32BE(1));
    expect(withheld.includes("secret")).toBe(false);
    expect(createHash("sha256").update(withheld).digest("hex")).toBe(stored.hash);
  });

  it("hide data behind a salt: equal data have different hashes", () => {
    const hashes = [salt, Buffer.alloc(SALT_BYTES, 1)].map((each) => sealData({ guess: 1 }, each).hash);
    expect(new Set(hashes).size).toBe(2);
  });
});

/** A record as an attacker can make it: with valid hashes for any header and data. */
function sealedRecord(header: Buffer, data: Buffer): Buffer {
  const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();
  const sealed = Buffer.concat([Buffer.alloc(SALT_BYTES), data]);
  const start = Buffer.alloc(5);
  start[0] = 1;
  start.writeUInt32BE(header.length, 1);
  const hashed = Buffer.concat([start, Buffer.alloc(32), sha(sealed), header]);
  return Buffer.concat([hashed, sha(hashed), sealed]);
}

/** A record of version 1, which must never change: a program that cannot read it cannot read old logs. */
const VERSION_1 =
  "AQAAADMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACRy+pu4lKWYPed2qqrBjZtFMGR2jcux1cXvGI99Mg1QmaN3" +
  "ZWIBAaZleGl0ZWQBy0J5q2l+h7gAp3J1bm5pbmemZXhpdGVkkapyZWxlYXNlUnVu7C4h3dQQwHBJrHGwFenbN3hN4F6yL/kI" +
  "jFWtlccsz0gwMTIzNDU2Nzg5YWJjZGVmgahleGl0Q29kZQA=";
