import { emitKeypressEvents, type Key } from "node:readline";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { keyName } from "../../../src/cli/terminal/keyName.ts";

/** Names of the keys for which a terminal sends these bytes. */
function namesOf(bytes: string): string[] {
  const input = new PassThrough();
  const names: string[] = [];
  emitKeypressEvents(input);
  input.on("keypress", (text: string | undefined, key: Key) => names.push(keyName(text, key)));
  input.emit("data", Buffer.from(bytes));
  return names;
}

describe("a key's name", () => {
  it.each([
    ["jG/ ", ["j", "G", "/", " "]],
    ["é日😀", ["é", "日", "😀"]],
    ["\x03\x1a\x04", ["C-c", "C-z", "C-d"]],
    ["\r\n\t\x7f", ["return", "return", "tab", "backspace"]],
    ["\x1b[A\x1bOB\x1b[1;2A", ["up", "down", "S-up"]],
    ["\x1b[5~\x1b[6~\x1b[H\x1b[4~", ["pageup", "pagedown", "home", "end"]],
    ["\x1bj", ["M-j"]],
    ["\x1b[57~", ["\x1b[57~"]],
  ])("of %j is %j", (bytes, names) => {
    expect(namesOf(bytes)).toEqual(names);
  });
});
