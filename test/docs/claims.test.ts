/** A page's sentence about all cases has a test. */
import { expect, it } from "vitest";
import { checkClaims, claimsIn, untested } from "../../scripts/claims.ts";

it("finds sentences and cells about all cases, and not what is code, generated or evidence elsewhere", () => {
  const page = `# Title

A task never ends. It may start. A volume is read-only; \`all\` is a word.

- Loopback is open: every port.

\`\`\`hcl
# only here
\`\`\`

| a | all tasks |

<!-- generated: x -->
| none |
<!-- end: x -->

| attack | what stops it |
|---|---|
| always | x |
`;
  expect(claimsIn(page)).toEqual(["A task never ends.", "every port.", "all tasks"]);
});

it("names a claim without a test, a test without a claim, and a title that its file lacks", () => {
  const read = (path: string) => (path === "docs/egress.md" ? "It never runs.\n\nOnly so.\n" : "title");
  const row = { page: "docs/egress.md", claim: "never runs", test: "x.ts", title: "title" };
  expect(untested([row], read)).toEqual(['docs/egress.md: no test for "Only so."']);
  const rows = [row, { ...row, claim: "Only so", title: "other" }, { ...row, claim: "gone" }];
  expect(untested(rows, read)).toEqual([
    'scripts/claims.json: docs/egress.md has no claim "gone"',
    'scripts/claims.json: x.ts has no "other"',
  ]);
});

it("holds for the pages", () => {
  const { count, problems } = checkClaims();
  expect(problems).toEqual([]);
  expect(count).toBeGreaterThan(0);
});
