import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseUlimits, type Ulimit, ulimitProblem } from "../../../src/effects/limits/ulimits.ts";

describe("limits of processes", () => {
  it.each([
    ["nofile", "2048", { resource: "RLIMIT_NOFILE", soft: 2048, hard: 2048 }],
    ["nofile", "2048:4096", { resource: "RLIMIT_NOFILE", soft: 2048, hard: 4096 }],
    ["memlock", "unlimited", { resource: "RLIMIT_MEMLOCK", soft: Infinity, hard: Infinity }],
    ["core", "0:unlimited", { resource: "RLIMIT_CORE", soft: 0, hard: Infinity }],
    ["core", "-1", { resource: "RLIMIT_CORE", soft: Infinity, hard: Infinity }],
  ])("%s = %j", (name, value, expected) => {
    expect(ulimitProblem(name, value)).toBeUndefined();
    expect(parseUlimits([{ [name]: value }])).toEqual([{ name, ...expected }]);
  });

  it.each([
    ["nofiles", "1", 'has "nofiles", which is not a limit', "Did you mean nofile?"],
    ["toString", "1", 'has "toString", which is not a limit', "Known names"],
    ["nofile", "many", 'has nofile = "many"', "SOFT:HARD"],
    ["nofile", "", 'has nofile = ""', "SOFT:HARD"],
    ["nofile", "20:", 'has nofile = "20:"', "SOFT:HARD"],
    ["nofile", "20:30:40", 'has nofile = "20:30:40"', "SOFT:HARD"],
    ["nofile", "-2", 'has nofile = "-2"', "SOFT:HARD"],
    ["core", "99999999999999999999", "has core", "SOFT:HARD"],
    ["nofile", "30:20", 'has nofile = "30:20"', "soft limit is above"],
    ["nofile", "unlimited:20", "has nofile", "soft limit is above"],
    ["nofile", "15", 'has nofile = "15"', "fewer than 16"],
  ])("refuses %s = %j", (name, value, message, hint) => {
    expect(ulimitProblem(name, value)).toEqual({
      message: expect.stringContaining(message),
      hint: expect.stringContaining(hint),
    });
  });

  it("come from all blocks, in a fixed order", () => {
    const limits = parseUlimits([{ nofile: "64", core: "0" }, { as: "unlimited" }]);
    expect(limits.map(({ name }) => name)).toEqual(["as", "core", "nofile"]);
  });

  it("are read as they are written", () => {
    const limit = fc.oneof(fc.nat(), fc.constant(Number.POSITIVE_INFINITY));
    fc.assert(
      fc.property(limit, limit, (one, other) => {
        const limits = { soft: Math.min(one, other), hard: Math.max(one, other) };
        expect(parseUlimits([{ core: formatUlimit(limits) }])).toEqual([
          { name: "core", resource: "RLIMIT_CORE", ...limits },
        ]);
      }),
    );
  });
});

/** The limit as a job writes it: `2048:4096`. */
function formatUlimit({ soft, hard }: Pick<Ulimit, "soft" | "hard">): string {
  const [softText, hardText] = [soft, hard].map((limit) =>
    limit === Infinity ? "unlimited" : String(limit),
  );
  return softText === hardText ? String(softText) : `${softText}:${hardText}`;
}
