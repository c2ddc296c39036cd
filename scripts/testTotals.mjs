// Prints each failed test of reports in vitest's JSON format with the first line of its error, then
// one line with the totals: "N passed, N failed", and ", N skipped" if any were. A missing or broken
// report counts as one failed test, because its suites did not finish.
import { readFileSync } from "node:fs";

const totals = { passed: 0, failed: 0, skipped: 0 };
for (const path of process.argv.slice(2)) {
  const report = readReport(path);
  for (const failure of failuresOf(report)) console.log(`failed: ${failure}`);
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
    console.log(`no report of tests in ${path}: ${thrown.message}`);
    return { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0, numTodoTests: 0 };
  }
}

// "outcomes" are those of the virtual machine. A file that could not be loaded has no tests, and only a message.
function failuresOf({ testResults = [], outcomes = [] }) {
  const inMachine = outcomes.filter(({ failure }) => failure !== undefined);
  const onHost = testResults.flatMap(({ name, message, assertionResults }) => {
    const file = name.slice(name.lastIndexOf("/test/") + 1);
    const failed = assertionResults.filter(({ status }) => status === "failed");
    if (failed.length === 0 && message) return [`${file}: ${firstLineOf(message)}`];
    return failed.map(
      ({ fullName, failureMessages }) => `${file} > ${fullName}: ${firstLineOf(failureMessages[0] ?? "")}`,
    );
  });
  return [
    ...onHost,
    ...inMachine.map(({ name, failure }) => `in the virtual machine > ${name}: ${firstLineOf(failure)}`),
  ];
}

function firstLineOf(text) {
  return text.split("\n", 1)[0];
}
