import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeData, encodeData, isPlain } from "../../src/store/plainData.ts";

const values = fc.jsonValue({ maxDepth: 4 });
const texts = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.constant("äplan"));
const fields = fc.dictionary(
  texts.filter((name) => name !== "plan" && name !== "__proto__"),
  fc.oneof(
    values,
    texts,
    fc.string({ minLength: 300, maxLength: 70_000 }),
    fc.double({ noNaN: true }),
    fc.integer(),
  ),
  { maxKeys: 20 },
);
const packed = (value: unknown) => Buffer.from(encodeData(value));
const decoded = (bytes: Buffer, unread?: string) =>
  decodeData(bytes, { start: 0, end: bytes.length }, isPlain, unread);

it("a list in the last field is skipped, whatever comes before it", () => {
  fc.assert(
    fc.property(fields, fc.array(values, { minLength: 1, maxLength: 40 }), (before, plan) => {
      const bytes = packed({ ...before, plan });
      const copy = Buffer.from(bytes);
      expect(decoded(bytes, "plan")).toEqual(decoded(packed({ ...before, plan: [] })));
      expect(bytes).toEqual(copy);
      // MessagePack has no value that begins with this byte.
      bytes[bytes.length - packed(plan.at(-1)).length] = 0xc1;
      expect(decoded(bytes)).toBeUndefined();
      expect(decoded(bytes, "plan")).toEqual(decoded(packed({ ...before, plan: [] })));
    }),
  );
});

it("any other value is decoded as a whole", () => {
  const plan = ["a step"];
  for (const value of [
    {},
    { plan, last: 1 },
    { plan: "text" },
    { plan: { plan } },
    { plan: null },
    { plans: plan },
    [plan],
    7,
  ]) {
    expect(decoded(packed(value), "plan")).toEqual(value);
  }
});

it("decoding ends for any bytes", () => {
  const heads = fc.constantFrom(0x81, 0x8f, 0xde, 0xdc, 0xdf, 0xc7);
  fc.assert(
    fc.property(fc.array(fc.oneof(heads, fc.nat(255)), { maxLength: 60 }), (noise) => {
      const bytes = Buffer.from(noise);
      const value = decoded(bytes, "plan");
      // Data that can be decoded as a whole can be decoded without the list, too.
      if (decoded(bytes) !== undefined) expect(value).toBeDefined();
    }),
    { numRuns: 2_000 },
  );
});
