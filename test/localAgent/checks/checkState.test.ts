import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CheckResult, newCheck, nextCheckState } from "../../../src/localAgent/checks/checkState.ts";
import type { Check } from "../../../src/localAgent/jobspec/job.ts";

const check = (more: Partial<Check> = {}): Check => ({
  name: "web: tcp",
  probe: { kind: "tcp", port: "80" },
  task: undefined,
  intervalMs: 1_000,
  timeoutMs: 1_000,
  successBeforePassing: 1,
  failuresBeforeCritical: 1,
  restart: undefined,
  ...more,
});

/**
 * Passes results to a check: `+` is a success, `-` a failure. Returns a character for each result: `H` if the
 * check has become healthy, `U` if unhealthy, otherwise `.`. An `R` follows if the task has to be restarted.
 */
function shown(results: string, of: Check, age = (index: number) => index * 1_000): string {
  let state = newCheck;
  return [...results]
    .map((result, index) => {
      const status: CheckResult["status"] = result === "+" ? "passing" : "critical";
      const step = nextCheckState(state, { status, detail: "" }, of, age(index));
      state = step.state;
      return `${step.changed ? (status === "passing" ? "H" : "U") : "."}${step.restarts ? "R" : ""}`;
    })
    .join("");
}

describe("a check", () => {
  it.each([
    ["++-+", {}, "H.UH"],
    ["--++", { successBeforePassing: 2 }, "U..H"],
    ["+--+---", { failuresBeforeCritical: 3 }, "H.....U"],
    ["+-----", { restart: { limit: 2, graceMs: 0 } }, "HU.R..R."],
    ["-----", { restart: { limit: 2, graceMs: 2_000 } }, "U...R."],
    ["+-+-+-", { restart: { limit: 2, graceMs: 0 } }, "HUHUHU"],
  ])("with the results %s and the options %j shows %s", (results, of, expected) => {
    expect(shown(results, check(of))).toBe(expected);
  });

  it("shows nothing twice in a row, and restarts only after the given number of failures", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("+", "-"), { maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        (results, successBeforePassing, failuresBeforeCritical, limit) => {
          const of = check({ successBeforePassing, failuresBeforeCritical, restart: { limit, graceMs: 0 } });
          const seen = shown(results.join(""), of);
          expect(seen.replaceAll(/[.R]/g, "")).not.toMatch(/HH|UU/);
          const failures = results
            .join("")
            .split("+")
            .map((row) => Math.floor(row.length / limit));
          expect(seen.split("R").length - 1).toBe(failures.reduce((sum, count) => sum + count, 0));
        },
      ),
    );
  });
});
