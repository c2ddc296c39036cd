import { expect, it } from "vitest";
import { printable } from "../../../src/cli/terminal/output.ts";
import { styleOf } from "../../../src/cli/terminal/style.ts";

it("output keeps text, lines and colours, and makes control sequences visible", () => {
  const text = `${styleOf(true).red("naïve → …")}\n\tdone`;
  expect(printable(text)).toBe(text);
  for (const sequence of [
    "\x1b]0;t\x07",
    "\x1b[2J",
    "\x1b[1;1H",
    "\x1bc",
    "\x9b6n",
    "a\rb",
    "\x08",
    "\x00",
    "\x7f",
  ]) {
    expect(printable(sequence)).toMatch(/[\u2400-\u2421\ufffd]/);
    expect(printable(sequence)).not.toMatch(/\p{Cc}/u);
  }
});
