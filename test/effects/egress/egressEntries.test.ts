import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EgressRule } from "../../../src/effects/egress/egress.ts";
import {
  egressKeys,
  entryLayout,
  exactBits,
  ipProtocols,
  keyBits,
  limitFlagsOf,
  listBits,
  setOf,
} from "../../../src/effects/egress/egressEntries.ts";
import { type AddressRange, firstOf, isInRange } from "../../../src/effects/network/addresses.ts";

const set = 0x1234_5678_9abc_def0n;

/** Addresses that share many first bits, so that ranges contain each other. */
const anyAddress = (family: 4 | 6) =>
  fc
    .array(fc.constantFrom(0, 1, 128, 255), {
      minLength: family === 4 ? 4 : 16,
      maxLength: family === 4 ? 4 : 16,
    })
    .map((bytes) => Uint8Array.from(bytes));
const anyRange: fc.Arbitrary<AddressRange> = fc
  .constantFrom<4 | 6>(4, 6)
  .chain((family) =>
    fc
      .tuple(anyAddress(family), fc.integer({ min: 0, max: family === 4 ? 32 : 128 }))
      .map(([address, bits]) => ({ family, bits, address: firstOf({ address, bits }) })),
  );
const anyPort = fc.constantFrom(1, 53, 443, 65_535);
const anyRule: fc.Arbitrary<EgressRule> = fc
  .tuple(anyRange, fc.constantFrom("tcp" as const, "udp" as const, null), fc.option(anyPort))
  .map(([range, protocol, port]) => ({ ...range, protocol, port }));
const anyTarget = fc.record({
  range: fc
    .constantFrom<4 | 6>(4, 6)
    .chain((family) =>
      anyAddress(family).map((address) => ({ family, address, bits: family === 4 ? 32 : 128 })),
    ),
  protocol: fc.constantFrom("tcp" as const, "udp" as const),
  port: anyPort,
});

type Target = typeof anyTarget extends fc.Arbitrary<infer Value> ? Value : never;

/** The kernel's look-up in a trie: whether an entry has the first bits of a whole key. */
function isFound(keys: readonly Uint8Array[], sought: Buffer): boolean {
  const bitsOf = (key: Uint8Array) =>
    [...key.subarray(entryLayout.set)].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return keys.some((key) => {
    const length = Buffer.from(key).readUInt32LE(entryLayout.prefixBits);
    return bitsOf(sought).startsWith(bitsOf(key).slice(0, length));
  });
}

/** The key that the programs make of a destination. */
function soughtKey(
  { family, address }: AddressRange,
  { protocol, port, isDenied }: { protocol: "tcp" | "udp"; port: number; isDenied: boolean },
): Buffer {
  const key = Buffer.alloc(entryLayout.bytes);
  key.writeUInt32LE(keyBits, entryLayout.prefixBits);
  key.writeBigUInt64LE(set, entryLayout.set);
  key[entryLayout.list] = (isDenied ? listBits.denied : 0) | (family === 6 ? listBits.ipv6 : 0);
  key[entryLayout.protocol] = ipProtocols[protocol];
  key.writeUInt16BE(port, entryLayout.port);
  if (family === 4) key.set([0xff, 0xff], entryLayout.address + 10);
  key.set(address, entryLayout.address + (family === 4 ? 12 : 0));
  return key;
}

describe("the entries of rules", () => {
  it("are found, by two look-ups for a list, exactly if a rule of the list covers the destination", () => {
    const covers = (rules: readonly EgressRule[], { range, protocol, port }: Target) =>
      rules.some(
        (rule) =>
          (rule.protocol ?? protocol) === protocol && (rule.port ?? port) === port && isInRange(range, rule),
      );
    fc.assert(
      fc.property(
        fc.option(fc.array(anyRule, { maxLength: 12 })),
        fc.array(anyRule, { maxLength: 4 }),
        fc.array(anyTarget, { minLength: 1, maxLength: 12 }),
        (allowed, denied, targets) => {
          const keys = egressKeys({ allowed, denied }, set);
          for (const target of targets) {
            for (const [isDenied, rules] of [
              [false, allowed ?? []],
              [true, denied],
            ] as const) {
              const found = [target.port, 0].some((port) =>
                isFound(keys, soughtKey(target.range, { ...target, port, isDenied })),
              );
              expect(found).toBe(covers(rules, target));
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("are each there once, belong to their set, and have prefixes within a key", () => {
    fc.assert(
      fc.property(fc.array(anyRule, { maxLength: 8 }), (rules) => {
        const keys = egressKeys({ allowed: [...rules, ...rules], denied: rules }, set);
        expect(new Set(keys.map((key) => Buffer.from(key).toString("hex"))).size).toBe(keys.length);
        for (const key of keys.map((each) => Buffer.from(each))) {
          expect(setOf(key)).toBe(set);
          const bits = key.readUInt32LE(entryLayout.prefixBits);
          expect(bits >= exactBits && bits <= keyBits).toBe(true);
        }
      }),
    );
  });

  it("leave a port's shorter range and every port's longer one side by side", () => {
    const four = (address: readonly number[], bits: number, port: number | null): EgressRule => ({
      ...{ family: 4, address: Uint8Array.from(address), bits, protocol: "tcp", port },
    });
    const keys = egressKeys(
      { allowed: [four([10, 0, 0, 0], 8, 443), four([10, 1, 1, 1], 32, null)], denied: [] },
      set,
    );
    const isAllowed = (address: readonly number[], port: number) =>
      [port, 0].some((each) =>
        isFound(keys, soughtKey(four(address, 32, null), { protocol: "tcp", port: each, isDenied: false })),
      );
    expect(
      isAllowed([10, 1, 1, 1], 443) && isAllowed([10, 1, 1, 1], 80) && isAllowed([10, 2, 2, 2], 443),
    ).toBe(true);
    expect(isAllowed([10, 2, 2, 2], 80)).toBe(false);
  });

  it("come with flags that tell an empty list from none", () => {
    const rule: EgressRule = { family: 4, address: new Uint8Array(4), bits: 0, protocol: null, port: null };
    expect(limitFlagsOf({ allowed: null, denied: [] })).toBe(0);
    expect(limitFlagsOf({ allowed: [], denied: [] })).toBe(1);
    expect(limitFlagsOf({ allowed: null, denied: [rule] })).toBe(2);
    expect(limitFlagsOf({ allowed: [], denied: [rule] })).toBe(3);
  });
});
