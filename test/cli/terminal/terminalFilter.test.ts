import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TerminalFilter } from "../../../src/cli/terminal/terminalFilter.ts";

function filtered(...chunks: readonly (string | Uint8Array)[]): string {
  const filter = new TerminalFilter();
  return String(Buffer.concat([...chunks.map((chunk) => filter.push(Buffer.from(chunk))), filter.end()]));
}

const colour = new RegExp(`${String.fromCharCode(0x1b)}\\[([\\d;:]*)m`, "g");

describe("a task's output on a terminal", () => {
  it.each([
    ["text and tabs", "a\tb\nü 👩‍🚀\n", "a\tb\nü 👩‍🚀\n"],
    ["colours", "\x1b[1;31mred\x1b[0m plain\n", "\x1b[1;31mred\x1b[0m plain\n"],
    ["colours with colons", "\x1b[38:2::1:2:3mx\x1b[m\n", "\x1b[38:2::1:2:3mx\x1b[0m\n"],
    ["a colour that stays, in each line", "\x1b[31ma\nb\n", "\x1b[31ma\x1b[0m\n\x1b[31mb\x1b[0m\n"],
    ["a colour that is still set at the end", "\x1b[31ma", "\x1b[31ma\x1b[0m"],
    ["the last of two colours", "\x1b[31m\x1b[0;32ma\n", "\x1b[0;32ma\x1b[0m\n"],
  ])("keeps %s", (_, text, shown) => {
    expect(filtered(text)).toBe(shown);
  });

  it.each([
    ["a title", "\x1b]0;title\x07a"],
    ["a title that a string terminator ends", "\x1b]2;title\x1b\\a"],
    ["the clipboard", "\x1b]52;c;cm0gLXJmIC8K\x07a"],
    ["a title after a single character", "\u009d0;title\u009ca"],
    ["a report of the cursor", "\x1b[6na"],
    ["a report after a single character", "\u009b6na"],
    ["a report of the device", "\x1b[ca\x1bZ"],
    ["a report of settings", "\x1bP$qm\x1b\\a"],
    ["an application's string", "\x1b_payload\x1b\\a"],
    ["movements", "\x1b[2J\x1b[Ha\x1b[1A\x1b[K"],
    ["another screen", "\x1b[?1049ha"],
    ["a reset", "\x1bca"],
    ["a character set", "\x1b(0a"],
    ["keys that look like a colour", "\x1b[>4;2ma\x1b[?4m"],
    ["a bell and backspaces", "\x07\b\ba\x7f"],
    ["a sequence that is cancelled", "\x1b[3\x18\x1b]0;x\x1aa"],
    ["a sequence in a sequence", "\x1b[3\x1b[6na"],
    ["a title that does not end", "a\x1b]0;title"],
  ])("has no %s", (_, text) => {
    expect(filtered(text)).toBe("a");
  });

  it("shows the line after a title that does not end", () => {
    expect(filtered("a\x1b]0;title\nb\n")).toBe("a\nb\n");
  });

  it("cannot overwrite its line", () => {
    expect(filtered("10%\r20%\r\n30%\r\r\n\r")).toBe("10%\n20%\n30%\n");
  });

  it("is in the order in which it was written", () => {
    for (const character of "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
      expect(filtered(`a${character}b\n\x1b[31m${character}c\n`)).toBe(`a\ufffdb\n\x1b[31m\ufffdc\x1b[0m\n`);
    expect(filtered("שלום \u200fعربي\n")).toBe("שלום \u200fعربي\n");
  });

  it("shows bytes that are not UTF-8 as replacement characters", () => {
    expect(filtered(new Uint8Array([0x61, 0x9b, 0x36, 0x6e, 0x0a]))).toBe("a\ufffd6n\n");
  });

  /** Bytes that are likely to form sequences. */
  const pieces = fc.constantFrom(
    ...["\x1b", "[", "]", "P", "\\", "0", "31", ";", "m", "n", "\x07", "\x18", "\n", "\r", "\t", "a", "ü"],
    ...[
      "\x1b[31m",
      "\x1b[0m",
      "\x1b]52;c;",
      "\u009b",
      "\u009d",
      "\u009c",
      "\u0085",
      "\u202e",
      "\u2066",
      "👩",
      "\x7f",
      "?",
      " ",
    ],
  );
  const bytes = fc.oneof(
    fc.array(pieces, { maxLength: 30 }).map((each) => Buffer.from(each.join(""))),
    fc.uint8Array({ maxLength: 40 }).map((each) => Buffer.from(each)),
  );

  it("is the same, wherever its chunks begin", () => {
    fc.assert(
      fc.property(fc.array(bytes), fc.array(fc.nat(200)), (chunks, cuts) => {
        const all = Buffer.concat(chunks);
        const ends = [...cuts.map((cut) => Math.min(cut, all.length)).sort((a, b) => a - b), all.length];
        const split = ends.map((end, index) => all.subarray(ends[index - 1] ?? 0, end));
        expect(filtered(...split)).toBe(filtered(all));
        expect(filtered(...Array.from(all, (byte) => Buffer.of(byte)))).toBe(filtered(all));
      }),
    );
  });

  it("controls nothing but colours, whatever it is", () => {
    fc.assert(
      fc.property(bytes, (all) => {
        const rest = filtered(all).replaceAll(colour, "");
        expect(rest).not.toMatch(/(?![\t\n])[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
      }),
    );
  });

  it("ends each line and itself without colours", () => {
    fc.assert(
      fc.property(bytes, (all) => {
        for (const line of filtered(all).split("\n")) {
          const colours = [...line.matchAll(colour)];
          expect(colours.at(-1)?.[1] ?? "0").toBe("0");
        }
      }),
    );
  });

  it("stays the same if it is filtered again", () => {
    fc.assert(
      fc.property(bytes, (all) => {
        expect(filtered(filtered(all))).toBe(filtered(all));
      }),
    );
  });

  it("loses no text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const plain = text.replaceAll(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "");
        expect(filtered(plain)).toBe(Buffer.from(plain).toString());
      }),
    );
  });
});
