import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseResidentPages, parseStat } from "../../../src/effects/processes/processStat.ts";

const line = (pid: number, name: string, state: string, startTicks: number) =>
  `${pid} (${name}) ${state} 1 2 3 0 -1 4194560 9 9 0 0 101 102 103 104 20 0 1 0 ${startTicks} 4096 105 18446744073709551615\n`;

const figures = {
  parent: 1,
  group: 2,
  userTicks: 101,
  systemTicks: 102,
  childUserTicks: 103,
  childSystemTicks: 104,
};

describe("a line of /proc/<pid>/stat", () => {
  it("gives pid, state and times, whatever the program is called", () => {
    const name = fc.oneof(fc.string({ maxLength: 15 }), fc.constantFrom(") R 1 2 (", "a b", "((", "))", ""));
    fc.assert(
      fc.property(
        fc.integer({ min: 1 }),
        name,
        fc.constantFrom("R", "S", "Z"),
        fc.nat(),
        (pid, comm, state, startTicks) => {
          expect(parseStat(line(pid, comm, state, startTicks))).toEqual({
            pid,
            state,
            session: 3,
            startTicks,
            ...figures,
          });
        },
      ),
    );
  });

  it.each(["", "12", "12 (sh", "12 (sh)", "12 (sh) S 1 2", "x (sh) S".padEnd(60, " 1")])(
    "is none: %j",
    (text) => {
      expect(parseStat(text)).toBeUndefined();
    },
  );
});

describe("a line of /proc/<pid>/statm", () => {
  it.each([
    ["2197 412 380 7 0 112 0\n", 412],
    ["0 0 0 0 0 0 0\n", 0],
    ["", 0],
  ])("%j has %i resident pages", (line, pages) => {
    expect(parseResidentPages(line)).toBe(pages);
  });
});
