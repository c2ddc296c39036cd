import fc from "fast-check";
import { Packr } from "msgpackr";
import { expect, it } from "vitest";
import { withoutLastList } from "../../src/store/unreadField.ts";

/** The encoding of the log's records. */
const messagePack = new Packr({ useRecords: false, variableMapSize: true });
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
const packed = (value: unknown) => Buffer.from(messagePack.pack(value));

it("skips a list in the last field, whatever comes before it", () => {
  fc.assert(
    fc.property(fields, fc.array(values, { maxLength: 40 }), (before, plan) => {
      const bytes = packed({ ...before, plan });
      const copy = Buffer.from(bytes);
      expect(messagePack.unpack(withoutLastList(bytes, "plan"))).toEqual(
        messagePack.unpack(packed({ ...before, plan: [] })),
      );
      expect(bytes).toEqual(copy);
    }),
  );
});

it("returns anything else unchanged", () => {
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
    const bytes = packed(value);
    expect(withoutLastList(bytes, "plan")).toBe(bytes);
  }
});

it("ends for any bytes", () => {
  const heads = fc.constantFrom(0x81, 0x8f, 0xde, 0xdc, 0xdf, 0xc7);
  fc.assert(
    fc.property(fc.array(fc.oneof(heads, fc.nat(255)), { maxLength: 60 }), (noise) => {
      const bytes = Buffer.from(noise);
      try {
        expect(withoutLastList(bytes, "plan").length).toBeLessThanOrEqual(bytes.length);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(RangeError);
      }
    }),
    { numRuns: 2_000 },
  );
});
