// Prints one line with the totals of reports in vitest's JSON format: "N passed, N failed", and
// ", N skipped" if any were. A missing or broken report counts as one failed test, because its
// suites did not finish.
import { readFileSync } from "node:fs";

const totals = { passed: 0, failed: 0, skipped: 0 };
for (const path of process.argv.slice(2)) {
  const report = readReport(path);
  totals.passed += report.numPassedTests;
  totals.failed += report.numFailedTests;
  totals.skipped += report.numPendingTests + report.numTodoTests;
}
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : "";
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`);

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (thrown) {
    console.error(`no report of tests in ${path}: ${thrown.message}`);
    return { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0, numTodoTests: 0 };
  }
}
