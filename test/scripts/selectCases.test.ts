import { expect, test } from "vitest";
import { selectCases, selectGroups } from "../../scripts/vm/suites.ts";

const boots = [
  { boot: "first", suites: ["a.js", "b.js"], cases: ["memory > over", "memory > 16 MiB", "reboot > before"] },
  { boot: "second", suites: ["c.js"], cases: ["reboot > after"] },
];

test.each<[string, Record<string, string[]>]>([
  ["", { first: ["memory > over", "memory > 16 MiB", "reboot > before"], second: ["reboot > after"] }],
  ["memory >", { first: ["memory > over", "memory > 16 MiB"] }],
  ["16 mib", { first: ["memory > 16 MiB"] }],
  ["reboot", { first: ["reboot > before"], second: ["reboot > after"] }],
  ["AFTER", { first: ["reboot > before"], second: ["reboot > after"] }],
  ["before", { first: ["reboot > before"] }],
  ["no such", {}],
])("%j selects %o", (text, expected) => {
  const selected = selectCases(boots, text);
  expect(Object.fromEntries(selected.map(({ boot, cases }) => [boot, cases]))).toEqual(expected);
});

test("whole groups are selected in each boot, and no group whose name contains theirs", () => {
  const more = boots.map((boot) => ({ ...boot, cases: [...boot.cases, "disk over a reboot > x"] }));
  const selected = selectGroups(more, ["reboot", "no such"]);
  expect(selected.map(({ cases }) => cases)).toEqual([["reboot > before"], ["reboot > after"]]);
});
