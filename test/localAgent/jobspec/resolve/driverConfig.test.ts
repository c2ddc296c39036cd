import { describe, expect, it } from "vitest";
import { type AttributeSpec, followSpec } from "../../../../src/localAgent/jobspec/resolve/driverConfig.ts";

const spec: AttributeSpec[] = [
  { name: "command", type: "string", required: true },
  { name: "args", type: "list(string)", required: false },
  { name: "oom_score_adj", type: "number", required: false },
  { name: "fast", type: "bool", required: false, default: "true" },
  { name: "labels", type: "map(string)", required: false },
];

describe("a task's config, read with the driver's schema", () => {
  it("has null for absent attributes, and the schema's defaults", () => {
    expect(followSpec({ command: "sh" }, spec).config).toEqual({
      command: "sh",
      args: null,
      oom_score_adj: null,
      fast: true,
      labels: null,
    });
  });

  it("has each value converted to the required type", () => {
    const config = {
      command: 7,
      args: ["a", 1, true],
      oom_score_adj: "-5",
      fast: "false",
      labels: [{ a: 1 }],
    };
    expect(followSpec(config, spec).config).toEqual({
      command: "7",
      args: ["a", "1", "true"],
      oom_score_adj: -5,
      fast: false,
      labels: { a: "1" },
    });
  });

  it.each([
    [{}, "command", "the driver requires it"],
    [{ command: "x", comand: "y" }, "comand", "no such option. Did you mean command?"],
    [{ command: "x", zzz: 1 }, "zzz", "Known names: args, command, fast, labels, oom_score_adj."],
    [{ command: ["x"] }, "command", "it must be a string"],
    [{ command: "x", args: "y" }, "args", "it must be a list"],
    [{ command: "x", args: ["a", {}] }, "args[1]", "it must be a string"],
    [{ command: "x", oom_score_adj: "much" }, "oom_score_adj", "it must be a number"],
    [{ command: "x", fast: 1 }, "fast", "it must be a bool"],
    [{ command: "x", labels: { a: [] } }, "labels.a", "it must be a string"],
  ])("refuses %j", (config, attribute, message) => {
    expect(followSpec(config, spec).mismatches).toEqual([
      expect.objectContaining({ attribute, message: expect.stringContaining(message) }),
    ]);
  });

  it("has the values that fit the schema, and all others are reported", () => {
    const { config, mismatches } = followSpec({ command: "x", args: "y", fast: 1, zzz: 1 }, spec);
    expect(mismatches.map(({ attribute }) => attribute)).toEqual(["zzz", "args", "fast"]);
    expect(config).toMatchObject({ command: "x", args: null, fast: null });
  });
});
