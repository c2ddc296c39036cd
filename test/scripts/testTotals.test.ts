/** The last lines of a run of all tests. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";

const script = join(import.meta.dirname, "../../scripts/testTotals.mjs");
const counts = { numPassedTests: 2, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };

function totalsOf(...reports: readonly (object | string)[]): string {
  const folder = temporaryFolder();
  const paths = reports.map((report, index) => {
    const path = join(folder, `${index}.json`);
    writeFileSync(path, typeof report === "string" ? report : JSON.stringify(report));
    return path;
  });
  return spawnSync(process.execPath, [script, ...paths], { encoding: "utf8" }).stdout;
}

it("is the sum of all reports; one that is broken counts as a failure", () => {
  expect(totalsOf(counts, { ...counts, numFailedTests: 3 })).toBe("4 passed, 3 failed\n");
  expect(totalsOf(counts, "{", { ...counts, numPendingTests: 1 })).toBe("4 passed, 1 failed, 1 skipped\n");
});
