import { expect, test } from "vitest";
import { countsOf, rowOf, scoreOf } from "./counts.ts";

const report = (...statuses: string[]) =>
  JSON.stringify({
    schemaVersion: "2",
    files: {
      "src/a.ts": { mutants: statuses.map((status) => ({ status, id: "1" })) },
      "src/b.ts": { mutants: [] },
    },
  });

test("mutants are noticed, survive, or are in lines that no test runs; others do not count", () => {
  const counts = countsOf(
    report("Killed", "Timeout", "Killed", "Survived", "NoCoverage", "CompileError", "Ignored"),
  );
  expect(counts).toEqual({ noticed: 3, survived: 1, notRun: 1 });
  expect(scoreOf(counts)).toBe(75);
  expect(rowOf("store", counts)).toBe(
    "store: 75.0 % (3 noticed, 1 survived), 1 in lines that no pure test runs",
  );
});

test("a folder whose tests run no mutant has no score", () => {
  expect(scoreOf(countsOf(report("NoCoverage")))).toBe(0);
  expect(scoreOf(countsOf(report()))).toBe(0);
});
