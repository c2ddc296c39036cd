import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeData, encodeData, isPlain } from "../../src/store/plainData.ts";
import { readHeader } from "../../src/store/recordHeader.ts";

const names = ["stream", "seq", "position", "type", "schema", "time", "from", "to", "effects"];
const types = ["string", "number", "number", "string", "number", "number", "string", "string", "object"];
const text = fc.string({ unit: "binary", maxLength: 300 });
const number = fc.oneof(fc.nat(), fc.nat(2 ** 40), fc.integer(), fc.double());
const header = fc.tuple(
  ...[text, number, number, text, number, number, text, text],
  fc.array(text, { maxLength: 20 }),
);

/** The header as the decoder of data reads it. */
function decoded(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  const fields = decodeData(bytes, { start: 0, end: bytes.length }, isPlain);
  if (!Array.isArray(fields) || fields.length !== names.length) return undefined;
  if (!types.every((type, index) => typeof fields[index] === type)) return undefined;
  const effects: unknown = fields.at(-1);
  if (!Array.isArray(effects) || !effects.every((name) => typeof name === "string")) return undefined;
  return Object.fromEntries(names.map((name, index) => [name, fields[index]]));
}

it("a header is read as any data are", () => {
  fc.assert(
    fc.property(header, (fields) => {
      const bytes = Buffer.from(encodeData(fields));
      expect(readHeader(bytes, 0, bytes.length)).toEqual(decoded(bytes));
      expect(readHeader(Buffer.concat([bytes, bytes]), bytes.length, 2 * bytes.length)).toEqual(
        decoded(bytes),
      );
    }),
  );
});

it("changed bytes are a header exactly if they can be decoded as one", () => {
  fc.assert(
    fc.property(
      header,
      fc.nat(),
      fc.nat(2),
      fc.uint8Array({ maxLength: 2 }),
      (fields, at, remove, insert) => {
        const changed = [...encodeData(fields)];
        changed.splice(at % changed.length, remove, ...insert);
        const bytes = Buffer.from(changed);
        const [read, expected] = [readHeader(bytes, 0, bytes.length), decoded(bytes)];
        expect(read === undefined).toBe(expected === undefined);
        // Of bytes that are no UTF-8, the two make different texts.
        if (expected !== undefined && isAscii(bytes)) expect(read).toEqual(expected);
      },
    ),
    { numRuns: 3_000 },
  );
});

it("names with the same place in the table of known names are told apart", () => {
  const variants = ["stopped", "shopped", "sxxxxxd", "s\u00f6pped"];
  for (const name of [...variants, ...variants]) {
    const bytes = Buffer.from(encodeData(["s", 1, 1, name, 1, 1, name, name, [name]]));
    expect(readHeader(bytes, 0, bytes.length)).toMatchObject({ type: name, from: name, effects: [name] });
  }
});

function isAscii(bytes: Buffer): boolean {
  return bytes.every((byte) => byte < 0x80 || byte > 0xbf || byte === 0x99);
}
