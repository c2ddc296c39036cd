import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readAnswer } from "../../../src/learn/observe/dnsAnswer.ts";

const nameOf = (name: string) =>
  Buffer.concat([
    ...name.split(".").map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0]),
  ]);
const words = (...numbers: readonly number[]) =>
  Buffer.from(numbers.flatMap((number) => [number >> 8, number & 0xff]));

/** A record with a pointer to a name. */
const record = (name: number, type: number, data: Buffer) =>
  Buffer.concat([words(0xc000 | name, type, 1, 0, 60, data.length), data]);

const fourHeader = (options = 0) => {
  const header = Buffer.alloc(20 + options);
  header[0] = 0x45 + options / 4;
  header[9] = 17;
  header.set([192, 0, 2, 53], 12);
  return header;
};
const sixHeader = () => {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.set([0x20, 1, 0xd, 0xb8], 8);
  header[23] = 0x53;
  return header;
};
const udp = Buffer.alloc(8);

function message(flags: number, name: string, type: number, ...records: readonly Buffer[]): Buffer {
  const head = words(7, flags, 1, records.length, 0, 0);
  return Buffer.concat([head, nameOf(name), words(type, 1), ...records]);
}

describe("an answer of a name server", () => {
  it("has the addresses of the name in the question, also behind aliases", () => {
    const alias = record(12, 5, Buffer.concat([Buffer.from([4]), Buffer.from("edge"), words(0xc00f)]));
    const addresses = [
      record(12, 1, Buffer.from([198, 51, 100, 7])),
      record(12, 1, Buffer.from([198, 51, 100, 8])),
    ];
    const packet = Buffer.concat([
      fourHeader(8),
      udp,
      message(0x8180, "Db.Example.org", 1, alias, ...addresses),
    ]);
    const answer = {
      kind: "answered",
      server: "192.0.2.53",
      name: "db.example.org",
      asksForAddress: true,
    } as const;
    expect(readAnswer(packet)).toEqual({ ...answer, addresses: ["198.51.100.7", "198.51.100.8"] });
    // What is cut off is left out.
    expect(readAnswer(packet.subarray(0, -3))).toEqual({ ...answer, addresses: ["198.51.100.7"] });
  });

  it("may come by IPv6, with addresses of IPv6 or none", () => {
    const six = Buffer.from("20010db8000000000000000000000007", "hex");
    const packet = (type: number, ...records: readonly Buffer[]) =>
      readAnswer(Buffer.concat([sixHeader(), udp, message(0x8180, "a.b", type, ...records)]));
    const common = { server: "2001:db8::53", name: "a.b" };
    expect(packet(28, record(12, 28, six))).toMatchObject({ ...common, addresses: ["2001:db8::7"] });
    expect(packet(15)).toMatchObject({ ...common, asksForAddress: false, addresses: [] });
  });

  it("is no question, and is not read beyond its end", () => {
    expect(readAnswer(Buffer.concat([fourHeader(), udp, message(0x100, "a.b", 1)]))).toBeUndefined();
    const loop = Buffer.concat([fourHeader(), udp, words(7, 0x8180, 1, 0, 0, 0, 0xc00c, 1, 1)]);
    expect(readAnswer(loop)).toBeUndefined();
    const header = fc.constantFrom(fourHeader(), fourHeader(8), sixHeader());
    const body = fc.uint8Array({ maxLength: 120 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(header, body, (begin, rest) => {
        const answer = readAnswer(Buffer.concat([begin, udp, rest]));
        expect(answer === undefined || answer.kind === "answered").toBe(true);
      }),
    );
  });
});
