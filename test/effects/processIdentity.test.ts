import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseStat } from "../../src/effects/processIdentity.ts";

const line = (pid: number, name: string, state: string, startTicks: number) =>
  `${pid} (${name}) ${state} ${new Array(18).fill(0).join(" ")} ${startTicks} 4096 1 18446744073709551615\n`;

describe("a line of /proc/<pid>/stat", () => {
  it("gives pid, state and start time, whatever the program is called", () => {
    const name = fc.oneof(fc.string({ maxLength: 15 }), fc.constantFrom(") R 1 2 (", "a b", "((", "))", ""));
    fc.assert(
      fc.property(
        fc.integer({ min: 1 }),
        name,
        fc.constantFrom("R", "S", "Z"),
        fc.nat(),
        (pid, comm, state, startTicks) => {
          expect(parseStat(line(pid, comm, state, startTicks))).toEqual({ pid, state, startTicks });
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
