import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { eventCatalogue } from "../../src/machines/events.ts";
import { encodedCheck } from "../../src/store/encodedCheck.ts";
import { decodeData, encodeData, isPlain } from "../../src/store/plainData.ts";
import { event, eventTypes, requestWith } from "../support/history/history.ts";

const wholeOf = (bytes: Buffer) => ({ start: 0, end: bytes.length });
const packed = (value: unknown) => Buffer.from(encodeData(value));

/** What decides without this check: whether the bytes can be decoded, and the schema accepts the result. */
function isAccepted(schema: z.ZodType, bytes: Buffer): boolean {
  const data = decodeData(bytes, wholeOf(bytes), isPlain);
  return data !== undefined && schema.safeParse(data).success;
}

function accepts(schema: z.ZodType, value: unknown): boolean {
  const bytes = packed(value);
  const accepted = encodedCheck(schema)(bytes, wholeOf(bytes));
  if (accepted) expect(isAccepted(schema, bytes)).toBe(true);
  return accepted;
}

describe("a check of encoded data", () => {
  it("accepts the data of every type of event", () => {
    for (const type of eventTypes) {
      const { data } = event(type);
      expect(accepts(eventCatalogue[type].schema, data), type).toBe(true);
    }
    const { data } = requestWith({ command: "x", deep: [{ a: [1, 1.5, -3, null, true, { b: "ü" }] }] });
    expect(accepts(eventCatalogue.requested.schema, data)).toBe(true);
  });

  it("accepts nothing that the decoder or the schema refuses, whichever bytes are changed", () => {
    const checks = eventTypes.map((type) => {
      const { schema } = eventCatalogue[type];
      return { schema, check: encodedCheck(schema), bytes: packed(event(type).data) };
    });
    const change = fc.record({
      at: fc.nat(),
      remove: fc.nat(3),
      insert: fc.array(fc.oneof(fc.nat(255), fc.constantFrom(0xc0, 0x80, 0x90, 0xa0, 0xc1, 0xcb, 0xd9)), {
        maxLength: 3,
      }),
    });
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...checks),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        ({ schema, check, bytes }, changes) => {
          const changed = [...bytes];
          for (const { at, remove, insert } of changes)
            changed.splice(at % (changed.length + 1), remove, ...insert);
          const found = Buffer.from(changed);
          if (!check(found, wholeOf(found))) return;
          accepted += 1;
          expect(isAccepted(schema, found), found.toString("hex")).toBe(true);
        },
      ),
      { numRuns: 10_000 },
    );
    // Many changes within a text leave it a text.
    expect(accepted).toBeGreaterThan(200);
  });

  it("accepts what a schema accepts, and nothing else", () => {
    const schema = z.object({
      text: z.string(),
      number: z.number(),
      few: z.enum(["one", "two"]),
      maybe: z.number().nullable(),
      more: z.array(z.boolean()).readonly(),
      extra: z.string().optional(),
      small: z.int().nonnegative(),
    });
    const good = { text: "a", number: 1e300, few: "two", maybe: null, more: [true, false], small: 7 };
    expect(accepts(schema, good)).toBe(true);
    expect(accepts(schema, { ...good, extra: "b", other: { any: [1, null] }, maybe: -40_000 })).toBe(true);
    expect(accepts(schema, Object.fromEntries(Object.entries(good).toReversed()))).toBe(true);
    for (const wrong of [
      { text: 1 },
      { text: null },
      { number: "1" },
      { number: Number.NaN },
      { number: Number.POSITIVE_INFINITY },
      { few: "three" },
      { maybe: false },
      { more: [true, 1] },
      { more: {} },
      { extra: null },
      { small: -1 },
      { small: 1.5 },
    ]) {
      expect(accepts(schema, { ...good, ...wrong }), JSON.stringify(wrong)).toBe(false);
    }
    const { text: _, ...lacking } = good;
    expect(accepts(schema, lacking)).toBe(false);
    expect(accepts(z.strictObject({ a: z.string() }), { a: "", b: "" })).toBe(false);
  });

  it("leaves to others what it does not know", () => {
    expect(accepts(z.email(), "a@example.org")).toBe(false);
    expect(accepts(z.coerce.string(), "a")).toBe(false);
    expect(accepts(z.string().min(1), "a")).toBe(false);
    expect(accepts(z.string().transform(Number), "1")).toBe(false);
    expect(accepts(z.string().default("a"), "a")).toBe(false);
    // The second value of a field is the one that the decoder returns.
    const twice = Buffer.from([0x82, 0xa1, 0x61, 0xa1, 0x62, 0xa1, 0x61, 0x01]);
    expect(encodedCheck(z.object({ a: z.string() }))(twice, wholeOf(twice))).toBe(false);
  });

  it("ends for data that are nested too deeply", () => {
    const deep = Buffer.alloc(1 << 20, 0x91);
    expect(encodedCheck(z.json())(deep, wholeOf(deep))).toBe(false);
  });
});
