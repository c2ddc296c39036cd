import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDuration } from "../../src/duration.ts";
import { nearest, suggestion } from "../../src/suggest.ts";

describe("a duration", () => {
  it.each([
    ["5s", 5_000],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["500ms", 500],
    ["250us", 0.25],
    ["250µs", 0.25],
    ["7000000000ns", 7_000],
    ["0", 0],
  ])("%s is %d ms", (text, milliseconds) => {
    expect(parseDuration(text)).toBeCloseTo(milliseconds, 9);
  });

  it.each(["", "5", "5 s", "s", "-5s", "5s!", "1d", "5S"])("%j is none", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

describe("the nearest name", () => {
  const names = ["command", "args", "unveil", "work_dir"];

  it.each([
    ["comand", "command"],
    ["agrs", "args"],
    ["unviel", "unveil"],
    ["workdir", "work_dir"],
    ["zebra", undefined],
    ["", undefined],
  ])("to %j is %s", (name, expected) => {
    expect(nearest(name, names)).toBe(expected);
  });

  it("to a known name is itself", () => {
    fc.assert(fc.property(fc.constantFrom(...names), (name) => nearest(name, names) === name));
  });

  it("is offered, or else the choice", () => {
    expect(suggestion("agrs", names)).toBe("Did you mean args?");
    expect(suggestion("zebra", names)).toBe("Allowed here: args, command, unveil, work_dir.");
    expect(suggestion("zebra", [])).toBe("There is none.");
  });
});
