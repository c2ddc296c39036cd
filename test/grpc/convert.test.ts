import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { HclSpec } from "../../src/effects/options/hclOptions.ts";
import { durationOf, msOf, timestampOf } from "../../src/grpc/convert/time.ts";
import { Spec } from "../../src/grpc/generated/nomad/hclspec.ts";
import { decodeMsgpack, encodeMsgpack, specOf } from "../../src/grpc/options.ts";

describe("time", () => {
  test("milliseconds survive the conversion to a duration and back", () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 1e12 }), (ms) => {
        const { seconds, nanos } = durationOf(ms);
        expect(Number.isInteger(seconds) && Number.isInteger(nanos)).toBe(true);
        // protobuf requires that both have the same sign.
        expect(seconds * nanos).toBeGreaterThanOrEqual(0);
        expect(msOf({ seconds, nanos })).toBe(ms);
      }),
    );
  });

  test("a timestamp never has negative nanoseconds, not even before 1970", () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 1e13 }), (ms) => {
        const { seconds, nanos } = timestampOf(ms);
        expect(nanos).toBeGreaterThanOrEqual(0);
        expect(nanos).toBeLessThan(1e9);
        expect(seconds * 1000 + nanos / 1e6).toBe(ms);
      }),
    );
  });

  test("an absent duration is 0", () => {
    expect(msOf(undefined)).toBe(0);
  });
});

describe("options as MessagePack", () => {
  const values = fc.oneof(fc.string(), fc.boolean(), fc.integer(), fc.array(fc.string()), fc.constant(null));

  test("survive a round trip; undefined values are omitted", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z][a-z_]{0,19}$/), values), (options) => {
        expect(decodeMsgpack(encodeMsgpack({ ...options, absent: undefined }))).toEqual(options);
      }),
    );
  });

  test("cannot change the prototype of objects", () => {
    const decoded = decodeMsgpack(
      Buffer.from([0x81, 0xa9, ...Buffer.from("__proto__"), 0x81, 0xa3, ...Buffer.from("bad"), 0xc3]),
    );
    expect({}).not.toHaveProperty("bad");
    expect(decoded).not.toHaveProperty("bad");
  });

  test("of zero bytes are undefined; random bytes give a value or the error CONFIG_INVALID", () => {
    expect(decodeMsgpack(Buffer.alloc(0))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (bytes) => {
        try {
          decodeMsgpack(bytes);
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: "CONFIG_INVALID" });
        }
      }),
    );
  });
});

test("an HCL spec is converted to its message, which survives encoding", () => {
  const attr = (name: string, type: string, required: boolean): HclSpec => ({
    kind: "attr",
    name,
    type,
    required,
  });
  const message = specOf({
    kind: "object",
    attributes: {
      command: attr("command", "string", true),
      quick: { kind: "default", primary: attr("quick", "bool", false), literal: "true" },
    },
  });
  const asMessage = (name: string, type: string, required: boolean): Spec => ({
    block: { $case: "Attr", value: { name, type, required } },
  });
  const literal: Spec = { block: { $case: "literal", value: { value: "true" } } };
  const quick: Spec = {
    block: { $case: "default", value: { primary: asMessage("quick", "bool", false), default: literal } },
  };
  expect(message).toEqual({
    block: {
      $case: "object",
      value: {
        attributes: new Map([
          ["command", asMessage("command", "string", true)],
          ["quick", quick],
        ]),
      },
    },
  });
  expect(Spec.decode(Spec.encode(message).finish())).toEqual(message);
});
