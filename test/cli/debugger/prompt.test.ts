import { describe, expect, it } from "vitest";
import { openPrompt, typeKey } from "../../../src/cli/debugger/prompt.ts";
import { life } from "../../support/history/history.ts";
import { press, screenOf, viewOf } from "../../support/screen/debuggerView.ts";

const killed = press(viewOf(life("killed")), "9", "G");

/** The line after some keys; undefined if they closed the prompt. */
function typed(...keys: readonly string[]): string | undefined {
  return press(killed, ":", ...keys).prompt?.text;
}

describe("a line that is typed", () => {
  it.each([
    [["a", "b", "backspace"], "a"],
    [["é", "日", "😀", "backspace"], "é日"],
    [["a", "b", "left", "c"], "acb"],
    [["a", "b", "home", "c", "end", "d"], "cabd"],
    [["a", "b", "C-a", "delete"], "b"],
    [["a", "b", "left", "left", "left", "right", "x"], "axb"],
    [["o", "n", "e", " ", "t", "w", "o", "C-w"], "one "],
    [["a", "b", "C-u", "c"], "c"],
    [["a", "b", "left", "C-k"], "a"],
    [["a", "f1", "C-x", "pagedown"], "a"],
    [["a", "escape"], undefined],
    [["a", "C-c"], undefined],
    [["a", "backspace", "backspace"], undefined],
    [["C-d"], undefined],
  ])("by %j is %j", (keys, text) => {
    expect(typed(...keys)).toBe(text);
  });

  it("has its cursor where the next character goes", () => {
    expect(screenOf(press(killed, ":", "a", "b", "left")).at(-1)).toBe(":a▏b");
    const narrow = { ...killed, size: { columns: 10, rows: 10 } };
    expect(screenOf(press(narrow, ":", ..."0123456789")).at(-1)).toBe("…3456789▏");
  });

  it.each([
    ["con", "continue"],
    ["state fin", "state fingerprinted"],
    ["break state:lo", "break state:lost"],
    ["break stat", "break state"],
    ["find exit.exitC", "find exit.exitCode"],
    ["find not before.exit", "find not before.exit"],
    ["print data.si", "print data.signal"],
    ["change oom", "change oom"],
    ["change exi", "change exitCode"],
    ["insert oomS", "insert oomSeen"],
    ["break nothing", "break nothing"],
    ["break exit.exitCode.x", "break exit.exitCode.x"],
  ])("%j is completed to %j", (before, after) => {
    expect(typed(...before, "tab")).toBe(after);
  });

  it("shows the candidates for a word, until the next key", () => {
    const several = press(killed, ":", ..."state f", "tab");
    expect(several.prompt?.candidates).toEqual(["failed", "fingerprinted"]);
    expect(screenOf(several).at(-2)).toBe("failed  fingerprinted");
    expect(press(several, "a").prompt?.candidates).toEqual([]);
  });

  it("is not completed in a search", () => {
    expect(typeKey(openPrompt("/", "sta"), "tab", [], () => [])).toMatchObject({
      text: "sta",
      candidates: [],
    });
  });
});
