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

it("end with the sum of all reports; one that is broken counts as a failure, and is named", () => {
  expect(totalsOf(counts, { ...counts, numFailedTests: 3 })).toBe("4 passed, 3 failed\n");
  const lines = totalsOf(counts, "{", { ...counts, numPendingTests: 1 }).split("\n");
  expect(lines[0]).toMatch(/^no report of tests in .*1\.json: /);
  expect(lines.slice(1)).toEqual(["4 passed, 1 failed, 1 skipped", ""]);
});

it("name each failed test before it, and a file that could not be loaded", () => {
  const file = (name: string, message: string, ...assertionResults: object[]) => ({
    name: `/somewhere/test/${name}`,
    message,
    assertionResults,
  });
  const failed = {
    status: "failed",
    fullName: "a task ends",
    failureMessages: ["expected 1 to be 2\n  at a"],
  };
  const passed = { status: "passed", fullName: "a task starts", failureMessages: [] };
  const testResults = [file("a.test.ts", "", passed, failed), file("b.test.ts", "no such module\nat b")];
  const outcomes = [{ name: "boots" }, { name: "reboots", failure: "does not\nat all" }];
  expect(
    totalsOf({ ...counts, numFailedTests: 2, testResults }, { ...counts, numFailedTests: 1, outcomes }),
  ).toBe(
    "failed: test/a.test.ts > a task ends: expected 1 to be 2\n" +
      "failed: test/b.test.ts: no such module\n" +
      "failed: in the virtual machine > reboots: does not\n" +
      "4 passed, 3 failed\n",
  );
});
