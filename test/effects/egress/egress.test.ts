import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  deniedProblem,
  egressAnswer,
  egressBeyond,
  egressProblem,
  egressRules,
  egressWithin,
  formatEgress,
  namesIn,
  parseEgress,
} from "../../../src/effects/egress/egress.ts";
import { egressOptions } from "../../../src/effects/egress/options.ts";
import { type AddressRange, formatAddress, parseAddress } from "../../../src/effects/network/addresses.ts";

describe("an entry", () => {
  test.each([
    ["192.0.2.7", null, 4, "192.0.2.7", 32, null],
    ["10.0.0.0/8:5432", null, 4, "10.0.0.0", 8, 5432],
    ["udp:10.0.0.53:53", "udp", 4, "10.0.0.53", 32, 53],
    ["tcp:10.0.0.53", "tcp", 4, "10.0.0.53", 32, null],
    ["2001:db8::1", null, 6, "2001:db8::1", 128, null],
    ["[2001:db8::/32]:443", null, 6, "2001:db8::", 32, 443],
    ["[2001:db8::1]", null, 6, "2001:db8::1", 128, null],
    ["udp:2001:db8::/32", "udp", 6, "2001:db8::", 32, null],
    ["[::/0]:443", null, 6, "::", 0, 443],
    ["0.0.0.0/0", null, 4, "0.0.0.0", 0, null],
    ["::ffff:192.0.2.7", null, 4, "192.0.2.7", 32, null],
    ["::ffff:192.0.2.0/120", null, 4, "192.0.2.0", 24, null],
  ] as const)("%s names a range", (text, protocol, family, address, bits, port) => {
    expect(egressProblem(text)).toBeUndefined();
    const range = { family, address: (parseAddress(address) as AddressRange).address, bits };
    expect(parseEgress(text)).toEqual({ protocol, to: { kind: "range", range }, port });
  });

  test("names a host, in lower case", () => {
    expect(parseEgress("tcp:API.Example.org:443")).toEqual({
      protocol: "tcp",
      to: { kind: "name", name: "api.example.org" },
      port: 443,
    });
    expect(namesIn(["db:1", "db:2", "10.0.0.1", "udp:x_y.internal"])).toEqual(["db", "x_y.internal"]);
  });

  test.each([
    ["*.example.org:443", "has a wildcard: nobody can list the names that it stands for"],
    ["", "is no address, range or name"],
    ["10.0.0.0/8:0", 'has "0" where a port from 1 to 65535 belongs'],
    ["10.0.0.1:65536", 'has "65536" where a port'],
    ["10.0.0.1:http", 'has "http" where a port'],
    ["10.0.0.1:80-90", 'has "80-90" where a port'],
    ["10.0.0.1:", 'has "" where a port'],
    ["10.1.2.3/8", "has bits after its prefix: the range is 10.0.0.0/8"],
    ["2001:db8::1/32", "has bits after its prefix: the range is 2001:db8::/32"],
    ["10.0.0.0/33", "has no prefix length from 0 to 32"],
    ["10.0.0.0/", "has no prefix length from 0 to 32"],
    ["::ffff:10.0.0.0/8", "has no prefix length from 96 to 128"],
    ["[2001:db8::/129]:1", "has no prefix length from 0 to 128"],
    ["256.0.0.1", "is no address, range or name"],
    ["[10.0.0.1]:80", "is no address, range or name"],
    ["[::1", "is no address, range or name"],
    ["icmp:10.0.0.1", 'has "10.0.0.1" where a port'],
    ["a..b", "is no address, range or name"],
    ["-a.b", "is no address, range or name"],
    ["db.example.org/24", "is no address, range or name"],
    ["fe80::1%eth0", "is no address, range or name"],
    ["a b", "is no address, range or name"],
  ])("%j is refused", (text, problem) => {
    const found = egressProblem(text);
    expect(found?.message).toContain(`(${JSON.stringify(text)}) ${problem}`);
    expect(found?.hint).toContain("api.example.org:443");
  });

  test("that is denied has no name, because another name may stand for the same address", () => {
    expect(deniedProblem("169.254.169.254")).toBeUndefined();
    expect(deniedProblem("metadata.google.internal")?.message).toContain("must be an address");
    expect(deniedProblem("*.x")?.message).toContain("wildcard");
  });

  test("is the same after its text is read", () => {
    fc.assert(
      fc.property(entry, (text) => {
        expect(parseEgress(formatEgress(parseEgress(text)))).toEqual(parseEgress(text));
      }),
    );
  });

  test("is read or refused, whatever it is", () => {
    const piece = fc.constantFrom(
      "udp:",
      "10.0.0.0",
      "/8",
      ":",
      "[",
      "]",
      "::",
      "db",
      ".",
      "*",
      "443",
      "\n",
      "é",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const text = pieces.join("");
        if (egressProblem(text) !== undefined) return;
        expect(parseEgress(formatEgress(parseEgress(text)))).toEqual(parseEgress(text));
      }),
      { numRuns: 2_000 },
    );
  });
});

const port = fc.constantFrom("", ":53", ":443");
const protocol = fc.constantFrom("", "tcp:", "udp:");
/** Few addresses, so that ranges often contain each other. */
const address4 = fc
  .tuple(fc.constantFrom(10, 192), fc.nat(1), fc.nat(3))
  .map(([a, b, d]) => `${a}.0.${b}.${d}`);
const range = fc.oneof(
  address4,
  fc.constantFrom("10.0.0.0/8", "10.0.0.0/24", "192.0.0.0/23", "0.0.0.0/0"),
  fc.constantFrom("[2001:db8::1]", "[2001:db8::/32]", "[::/0]"),
);
const entry = fc
  .tuple(
    protocol,
    fc.oneof({ arbitrary: range, weight: 4 }, { arbitrary: fc.constantFrom("a.example", "b"), weight: 1 }),
    port,
  )
  .map((parts) => parts.join(""));
const rangeEntry = fc.tuple(protocol, range, port).map((parts) => parts.join(""));

const destination = fc.record({
  protocol: fc.constantFrom("tcp" as const, "udp" as const),
  address: fc
    .oneof(address4, fc.constantFrom("2001:db8::1", "2001:db8:1::", "fe80::1"))
    .map((text) => parseAddress(text) as AddressRange),
  name: fc.constant(undefined),
  port: fc.constantFrom(53, 443, 80),
});

const noNames = new Map<string, string[]>();

describe("the answer to a destination", () => {
  test("is the same for a list and for the union of its entries", () => {
    fc.assert(
      fc.property(fc.array(rangeEntry, { maxLength: 4 }), destination, (egress, asked) => {
        const each = egress.some(
          (one) => egressAnswer(asked, { egress: [one], egressDenied: [] }, noNames).allowed,
        );
        expect(egressAnswer(asked, { egress, egressDenied: [] }, noNames).allowed).toBe(each);
      }),
    );
  });

  test("is no, whatever is allowed, if it is denied", () => {
    fc.assert(
      fc.property(
        fc.array(entry),
        fc.array(rangeEntry, { minLength: 1 }),
        destination,
        (egress, egressDenied, asked) => {
          const isDenied = egressAnswer(asked, { egress: egressDenied, egressDenied: [] }, noNames).allowed;
          const answer = egressAnswer(asked, { egress, egressDenied }, noNames);
          if (isDenied) expect(answer.allowed).toBe(false);
          const open = egressAnswer(asked, { egressDenied }, noNames);
          expect(open.allowed).toBe(!isDenied);
        },
      ),
    );
  });

  const ask = (text: string, lists: { egress?: string[]; egressDenied?: string[] }, names = noNames) => {
    const { protocol: asked, to, port: at } = parseEgress(text);
    const where = {
      protocol: asked ?? ("tcp" as const),
      address: to.kind === "range" ? to.range : undefined,
      name: to.kind === "name" ? to.name : undefined,
      port: at ?? 1,
    };
    const { allowed, by } = egressAnswer(where, { egressDenied: [], ...lists }, names);
    return [allowed, by];
  };

  test("names the entry that decides", () => {
    const lists = {
      egress: ["10.0.0.0/8:5432", "db.example:443"],
      egressDenied: ["10.0.0.9", "127.0.0.5:1"],
    };
    const names = new Map([["db.example", ["198.51.100.7", "2001:db8::7"]]]);
    expect(ask("10.1.1.1:5432", lists)).toEqual([true, "10.0.0.0/8:5432"]);
    expect(ask("10.1.1.1:5433", lists)).toEqual([false, undefined]);
    expect(ask("10.0.0.9:5432", lists)).toEqual([false, "10.0.0.9"]);
    expect(ask("198.51.100.7:443", lists, names)).toEqual([true, "db.example:443"]);
    expect(ask("[2001:db8::7]:443", lists, names)).toEqual([true, "db.example:443"]);
    expect(ask("198.51.100.7:443", lists)).toEqual([false, undefined]);
    expect(ask("db.example:443", lists)).toEqual([true, "db.example:443"]);
    expect(ask("db.example:444", lists)).toEqual([false, undefined]);
    expect(ask("0.0.0.0:80", lists)).toEqual([true, "loopback"]);
    expect(ask("[::1]:80", { egress: [] })).toEqual([true, "loopback"]);
    expect(ask("0.0.0.0:1", { egressDenied: ["127.0.0.0/8"] })).toEqual([false, "127.0.0.0/8"]);
    expect(ask("192.0.2.1:80", {})).toEqual([true, undefined]);
  });

  test("is that of the rules for the kernel", () => {
    const names = new Map([["a.example", ["10.0.0.1", "2001:db8::1"]]]);
    const rules = egressRules({ egress: ["udp:a.example:53", "b"], egressDenied: ["192.0.0.0/23"], names });
    const shown = (list: typeof rules.denied | null) =>
      list?.map((rule) => [rule.protocol, formatAddress(rule.address), rule.bits, rule.port]);
    expect(shown(rules.allowed)).toEqual([
      ["udp", "10.0.0.1", 32, 53],
      ["udp", "2001:db8::1", 128, 53],
    ]);
    expect(shown(rules.denied)).toEqual([[null, "192.0.0.0", 23, null]]);
    expect(egressRules({ egressDenied: [], names }).allowed).toBeNull();
  });
});

describe("the operator's list", () => {
  test("has what no other entry has to cover", () => {
    expect(egressBeyond(["10.1.0.0/16:443", "10.1.0.1"], ["10.0.0.0/8:443"])).toEqual(["10.1.0.1"]);
    expect(egressBeyond(["10.1.0.1:53"], ["udp:10.0.0.0/8:53", "tcp:10.0.0.0/8"])).toEqual([]);
    expect(egressBeyond(["tcp:10.1.0.1:53"], ["udp:10.0.0.0/8:53"])).toEqual(["tcp:10.1.0.1:53"]);
    expect(egressBeyond(["A.example:443"], ["a.example"])).toEqual([]);
    expect(egressBeyond(["a.example"], ["a.example:443", "10.0.0.0/8"])).toEqual(["a.example"]);
    expect(egressBeyond(["a.example:443"], ["0.0.0.0/0:443", "[::/0]:443"])).toEqual([]);
    expect(egressBeyond(["a.example:443"], ["0.0.0.0/0:443"])).toEqual(["a.example:443"]);
    expect(egressBeyond(["1.1.1.1"], [])).toEqual(["1.1.1.1"]);
  });

  test("allows every destination of an entry that it covers", () => {
    fc.assert(
      fc.property(rangeEntry, fc.array(rangeEntry), destination, (one, list, asked) => {
        fc.pre(egressBeyond([one], list).length === 0);
        const by = (egress: string[]) => egressAnswer(asked, { egress, egressDenied: [] }, noNames).allowed;
        if (by([one])) expect(by(list)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("of denials leaves nothing of an entry that is within it", () => {
    expect(egressWithin(["169.254.169.254:80", "169.254.0.0/16", "a.example"], ["169.254.169.254"])).toEqual([
      "169.254.169.254:80",
    ]);
  });
});

test("a list has at most 64 names", () => {
  const { egress } = egressOptions.task();
  const names = (count: number) => Array.from({ length: count }, (_, index) => `name-${index}.example.org`);
  expect(egress.safeParse([...names(64), "10.0.0.1", "name-1.example.org:443"]).success).toBe(true);
  expect(egress.safeParse(names(65)).error?.issues).toMatchObject([
    { message: "must have at most 64 names: use ranges for the others" },
  ]);
});
