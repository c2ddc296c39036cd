import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AddressType,
  isAnswer,
  maxAddresses,
  maxAnswerBytes,
  questionMessage,
  readAnswer,
} from "../../../src/effects/egress/dnsMessage.ts";
import { formatAddress } from "../../../src/effects/network/addresses.ts";
import { addressRecord, answerTo, questionIn } from "../../support/host/dnsMessage.ts";

const question = { name: "api.example.org", type: 1 as AddressType, id: 0xbeef };
const sizes = { 1: 4, 28: 16 } as const;

function answer(records: readonly Buffer[], flags = 0x8180, asked = question): Buffer {
  return answerTo(questionMessage(asked, true), flags, records);
}

/** An alias of the question's name: RFC 1035, 3.3.1. */
const alias = (ttl: number) => {
  const record = Buffer.concat([addressRecord(Buffer.alloc(4), ttl), Buffer.of(0xc0, 12)]);
  record.writeUInt16BE(5, 2);
  record.writeUInt16BE(6, 10);
  return record;
};
const record = (last: number, ttl = 60) => addressRecord(Buffer.of(10, 0, 0, last), ttl);

describe("a question", () => {
  it("has the name and the type, and says how long a datagram may be", () => {
    expect(questionIn(questionMessage(question, true))).toEqual({ name: "api.example.org", type: 1 });
    // RFC 6891, 6.1.2: the root's name, OPT, 1,232 bytes.
    expect(questionMessage(question, true).subarray(-11).toString("hex")).toBe("00002904d0000000000000");
    expect(questionMessage(question, false)).toHaveLength(12 + 17 + 4);
  });
});

describe("an answer", () => {
  it("is one to the same question, with its number", () => {
    const good = answer([record(1)]);
    expect(isAnswer(good, question)).toBe(true);
    expect(isAnswer(answer([], 0x8180, { ...question, name: "API.example.ORG" }), question)).toBe(true);
    expect(isAnswer(good, { ...question, id: 1 })).toBe(false);
    expect(isAnswer(good, { ...question, name: "api.example.com" })).toBe(false);
    expect(isAnswer(good, { ...question, type: 28 })).toBe(false);
    expect(isAnswer(questionMessage(question, true), question)).toBe(false);
  });

  it("need not repeat the question if the server could not read it", () => {
    const header = answer([], 0x8181).subarray(0, 12);
    header.writeUInt16BE(0, 4);
    expect(isAnswer(header, question)).toBe(true);
    expect(readAnswer(header, question)).toMatchObject({ code: 1, addresses: [] });
    header.writeUInt16BE(0x8180, 2);
    expect(isAnswer(header, question)).toBe(false);
  });

  it("lasts as long as what lasts shortest of its addresses and aliases", () => {
    const read = readAnswer(answer([alias(30), record(2, 60), record(1, 90)]), question);
    expect(read).toEqual({
      code: 0,
      isCut: false,
      addresses: ["10.0.0.1", "10.0.0.2"],
      unused: 0,
      ttl: 30,
    });
    expect(readAnswer(answer([record(1, 0xffff_ffff)]), question)?.ttl).toBe(0);
  });

  it("has no addresses of another kind", () => {
    expect(readAnswer(answer([addressRecord(Buffer.alloc(16, 1), 9)]), question)?.addresses).toEqual([]);
  });

  it("that was cut says so, whatever is left of it", () => {
    const cut = answer([record(1), record(2)], 0x8380);
    expect(readAnswer(cut.subarray(0, -3), question)).toMatchObject({ isCut: true, addresses: ["10.0.0.1"] });
  });

  it("that ends in a record is none", () => {
    const whole = answer([record(1), record(2)]);
    for (let bytes = 33; bytes < whole.length; bytes += 1)
      expect(readAnswer(whole.subarray(0, bytes), question)).toBeUndefined();
  });

  it.each([1, 28] as const)("has its lowest addresses of type %i, in any order of the records", (type) => {
    const asked = { ...question, type };
    const address = fc.uint8Array({ minLength: sizes[type], maxLength: sizes[type] });
    fc.assert(
      fc.property(fc.uniqueArray(address, { maxLength: 200, selector: String }), (addresses) => {
        const records = addresses.map((each) => addressRecord(Buffer.from(each), 60));
        const expected = addresses
          .toSorted((one, other) => Buffer.compare(one, other))
          .slice(0, maxAddresses)
          .map(formatAddress);
        expect(readAnswer(answer(records, 0x8180, asked), asked)).toMatchObject({
          addresses: expected,
          unused: addresses.length - expected.length,
        });
      }),
    );
  });

  it("has each address once", () => {
    const records = [record(2), record(1), record(2), record(1)];
    expect(readAnswer(answer(records), question)).toMatchObject({
      addresses: ["10.0.0.1", "10.0.0.2"],
      unused: 0,
    });
  });

  it("is read up to 16 KiB, and counts what is beyond", () => {
    // The lowest addresses are last.
    const records = Array.from({ length: 4_080 }, (_, index) => {
      const number = 4_080 - index;
      return addressRecord(Buffer.of(10, 0, number >> 8, number & 0xff), 60);
    });
    const whole = answer(records);
    const read = readAnswer(whole, question);
    expect(read).toEqual(readAnswer(whole.subarray(0, maxAnswerBytes), question));
    expect(read?.addresses).toHaveLength(64);
    expect(read?.unused).toBe(4_080 - 64);
    expect(read?.addresses).not.toContain("10.0.0.1");
  });

  it("may be any bytes", () => {
    const { name, type } = question;
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 400 }), fc.boolean(), (tail, hasQuestion) => {
        const bytes = Buffer.from(hasQuestion ? Buffer.concat([answer([]), tail]) : tail);
        bytes.writeUInt16BE(0xffff, 6);
        const read = readAnswer(bytes, { name, type, id: 1 });
        expect(read?.addresses.length ?? 0).toBeLessThanOrEqual(maxAddresses);
        expect(read?.ttl ?? 0).toBeGreaterThanOrEqual(0);
        expect(read?.ttl).not.toBe(Number.POSITIVE_INFINITY);
      }),
    );
  });
});
