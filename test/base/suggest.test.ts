import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nearest, suggestion } from "../../src/base/suggest.ts";

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

  it("is offered; without a near name, the known names are offered", () => {
    expect(suggestion("agrs", names)).toBe("Did you mean args?");
    expect(suggestion("zebra", names)).toBe("Known names: args, command, unveil, work_dir.");
    expect(suggestion("zebra", [])).toBe("None is defined.");
    const many = Array.from({ length: 23 }, (_, index) => `n${String(index).padStart(2, "0")}`);
    expect(suggestion("zebra", many)).toMatch(/^Known names: n00, .*n19 and 3 more\.$/);
  });
});
