import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldRepeats, isRepeat, repeatKey } from "../../../src/history/replay/repeats.ts";
import { event } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

const letters = (text: string) => [...text].map((letter, index) => ({ letter, index }));
const folded = (text: string) =>
  foldRepeats(letters(text), ({ letter }) => letter)
    .map((item) => (isRepeat(item) ? `(${item.repeated.length}/${item.period})` : item.letter))
    .join("");

describe("items that repeat", () => {
  it.each([
    ["abc", "abc"],
    ["aaa", "aaa"],
    ["aaaa", "a(2/1)a"],
    ["xabababababy", "xab(6/2)aby"],
    ["ababab", "ababab"],
    ["abababaac", "abab" + "abaac"],
    ["aaaaabbbbb", "a(3/1)ab(3/1)b"],
  ])("in %s are folded to %s", (text, expected) => {
    expect(folded(text)).toBe(expected);
  });

  it("are all kept, in their order", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 60 }), (text) => {
        const items = letters(text.join(""));
        const all = foldRepeats(items, ({ letter }) => letter).flatMap((item) =>
          isRepeat(item) ? item.repeated : [item],
        );
        expect(all).toEqual(items);
      }),
    );
  });
});

describe("events that repeat", () => {
  it("include health checks with equal results, whatever their numbers and processes are", () => {
    const check = (exec: number) => [
      event("execStarted", { exec, process: { pid: 100 + exec, startTicks: exec } }),
      event("execExited", { exec, exitCode: exec === 3 ? 1 : 0 }),
    ];
    const begun = ["requested", "fingerprinted", "sandboxed", "started"] as const;
    const log = new RecordedLog().add("a/web/1", [
      ...begun.map((type) => event(type)),
      ...[1, 2, 3].flatMap(check),
    ]);
    const keys = log.events("a/web/1").slice(4).map(repeatKey);
    expect(keys[0]).toBe(keys[2]);
    expect(keys[1]).toBe(keys[3]);
    expect(keys[1]).not.toBe(keys[5]);
  });
});
