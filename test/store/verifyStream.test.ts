import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeRecord, NO_HASH, sealData } from "../../src/store/eventRecord.ts";
import { findDefect, verifyStream } from "../support/history/findDefect.ts";
import { labelOf, sampleEvent } from "../support/history/sampleEvents.ts";

const salt = Buffer.alloc(16, 7);

/** A stream in its stored form. */
function stored(length: number, stream = "s", firstHash = NO_HASH) {
  let hash = firstHash;
  const records = Array.from({ length }, (_, index) => {
    const event = sampleEvent(index + 1);
    const place = { stream, seq: index + 1, position: 10 + index, previousHash: hash };
    const record = encodeRecord(event, place, sealData(event.data, salt));
    hash = record.event.hash;
    return Buffer.from(record.bytes);
  });
  return { records, head: { stream, version: length, hash } };
}

describe("the verification of a stream", () => {
  it("finds no defect in a stored stream, and yields its events", () => {
    const { records, head } = stored(5);
    expect(findDefect(records, head)).toBeUndefined();
    expect([...verifyStream(records, head)].map(labelOf)).toEqual([1, 2, 3, 4, 5]);
    expect(findDefect([], { stream: "s", version: 0, hash: NO_HASH })).toBeUndefined();
  });

  it("finds any flipped bit at the event that contains it", () => {
    const { records, head } = stored(6);
    fc.assert(
      fc.property(fc.nat({ max: 5 }), fc.nat(), fc.nat({ max: 7 }), (index, at, bit) => {
        const damaged = records.map((bytes) => Buffer.from(bytes));
        const bytes = damaged[index] as Buffer;
        bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ (1 << bit);
        expect(findDefect(damaged, head)).toMatchObject({ seq: index + 1, kind: /format|hash|data/ });
      }),
      { numRuns: 1000 },
    );
  });

  it("yields the events before the defect", () => {
    const { records, head } = stored(4);
    (records[2] as Buffer)[90] = 0;
    const seen: unknown[] = [];
    for (const event of verifyStream(records, head)) seen.push(labelOf(event));
    expect(seen).toEqual([1, 2]);
  });

  it("finds an omitted, a duplicated and a swapped event, and a lost end", () => {
    const { records, head } = stored(4);
    const [a, b, c, d] = records as [Buffer, Buffer, Buffer, Buffer];
    expect(findDefect([a, c, d], head)).toEqual({ seq: 2, kind: "sequence", expected: "2", found: "3" });
    expect(findDefect([a, a, b, c, d], head)).toMatchObject({ seq: 2, kind: "sequence" });
    expect(findDefect([b, a, c, d], head)).toMatchObject({ seq: 1, kind: "sequence" });
    expect(findDefect([a, b, c], head)).toEqual({ seq: 4, kind: "end", expected: "4", found: "3" });
    expect(findDefect([a, b, c, d], { ...head, version: 3 })).toMatchObject({ kind: "end" });
  });

  it("finds an event of another stream", () => {
    const { records, head } = stored(3);
    const [a, , c] = records as [Buffer, Buffer, Buffer];
    const other = stored(3, "other").records[1] as Buffer;
    expect(findDefect([a, other, c], head)).toEqual({
      seq: 2,
      kind: "stream",
      expected: "s",
      found: "other",
    });
  });

  it("detects a rewritten history by the hash that the log kept", () => {
    const { records, head } = stored(3);
    const forged = stored(3, "s", "11".repeat(32)).records;
    expect(findDefect([records[0] as Buffer, ...forged.slice(1)], head)).toMatchObject({
      seq: 2,
      kind: "chain",
    });
    expect(findDefect(forged, head)).toMatchObject({ seq: 1, kind: "chain", expected: NO_HASH });
    const shorter = stored(3, "s").records;
    expect(findDefect(shorter, { ...head, hash: "22".repeat(32) })).toMatchObject({ seq: 3, kind: "end" });
  });
});
