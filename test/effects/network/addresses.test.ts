import { BlockList, isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AddressRange,
  firstOf,
  formatAddress,
  isInRange,
  isLoopback,
  parseAddress,
} from "../../../src/effects/network/addresses.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const four = bytes(4);
/** Many zero words, which are what texts of IPv6 addresses shorten. */
const six = fc
  .array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((words) => Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff])));

describe("an address", () => {
  test("is what its text says, for each family", () => {
    fc.assert(
      fc.property(fc.oneof(four, six), (address) => {
        const text = formatAddress(address);
        expect(isIP(text)).toBe(address.length === 4 ? 4 : 6);
        const { host } = new URL(`http://${address.length === 4 ? text : `[${text}]`}/`);
        expect(host.replace(/[[\]]/g, "")).toBe(text);
        const read = parseAddress(text) as AddressRange;
        if (text.startsWith("::ffff:") && read.family === 4)
          expect([...address.slice(12)]).toEqual([...read.address]);
        else expect(read).toEqual({ family: isIP(text), address, bits: address.length * 8 });
      }),
    );
  });

  test.each([
    "",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "01.2.3.4",
    "1.2.3.4 ",
    "0x1.2.3.4",
    ":",
    ":::",
    "1::2::3",
  ])("is not %j", (text) => expect(parseAddress(text)).toBeUndefined());

  test("is read from any text, or none, as Node does", () => {
    const piece = fc.constantFrom("0", "1", "ffff", ":", "::", ".", "10.0.0.1", "fe80", "%1", "12345", "g");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join("");
        expect(parseAddress(text) !== undefined).toBe(isIP(text) !== 0 && !text.includes("%"));
      }),
      { numRuns: 2_000 },
    );
  });

  test("of IPv4 within one of IPv6 is the IPv4 address", () => {
    const expected = { family: 4, address: Uint8Array.of(192, 0, 2, 7), bits: 32 };
    expect(parseAddress("::ffff:192.0.2.7")).toEqual(expected);
    expect(parseAddress("::FFFF:c000:207")).toEqual(expected);
    expect(parseAddress("::192.0.2.7")?.family).toBe(6);
  });
});

test("a range has the addresses that Node's list of subnets has", () => {
  const pair = fc.oneof(fc.tuple(four, four, fc.nat(32)), fc.tuple(six, six, fc.nat(128)));
  const near = fc.boolean();
  fc.assert(
    fc.property(pair, near, ([base, other, bits], isNear) => {
      const family = base.length === 4 ? 4 : 6;
      const address = firstOf({ address: base, bits });
      // An address with the same first bits is in the range.
      const asked = isNear ? base : other;
      const list = new BlockList();
      list.addSubnet(formatAddress(address), bits, `ipv${family}`);
      const isListed = list.check(formatAddress(asked), `ipv${family}`);
      expect(isInRange({ family, address: asked, bits: base.length * 8 }, { family, address, bits })).toBe(
        isListed,
      );
    }),
    { numRuns: 500 },
  );
});

test("the range of all addresses of a family has none of the other", () => {
  const all: AddressRange = { family: 6, address: new Uint8Array(16), bits: 0 };
  expect(isInRange(parseAddress("192.0.2.7") as AddressRange, all)).toBe(false);
  expect(isInRange(parseAddress("2001:db8::1") as AddressRange, all)).toBe(true);
});

test("loopback is 127.0.0.0/8 and ::1", () => {
  const isOwn = (text: string) => isLoopback(parseAddress(text) as AddressRange);
  expect(["127.0.0.1", "127.255.1.1", "::1", "::ffff:127.0.0.1"].every(isOwn)).toBe(true);
  expect(["126.255.255.255", "128.0.0.0", "::2", "::"].some(isOwn)).toBe(false);
});
