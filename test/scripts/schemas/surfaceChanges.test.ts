import { describe, expect, it } from "vitest";
import {
  changesOf,
  newestRelease,
  problemsWith,
  unreleasedIn,
} from "../../../scripts/schemas/surfaceChanges.ts";
import type { Surfaces } from "../../../scripts/schemas/surfaces.ts";

const released: Surfaces = {
  "options of jobs": { nice: "number, default 0", old: "string, deprecated since 1.2.0" },
  "verbs and flags": { ps: "", "ps --json": "" },
  "log lines": { "a task runs": "debug" },
  "JSON of verbs": { "ps.memory": "object", "ps.memory.rss": "number" },
};

const without = (surface: string, ...names: string[]): Surfaces => ({
  ...released,
  [surface]: Object.fromEntries(
    Object.entries(released[surface] ?? {}).filter(([name]) => !names.includes(name)),
  ),
});
const having = (surface: string, names: Record<string, string>): Surfaces => ({
  ...released,
  [surface]: { ...released[surface], ...names },
});
const changelog = (unreleased: string) =>
  `# Changelog\n\n## [Unreleased]\n\n${unreleased}\n\n## [1.3.0] - 2027-01-01\n\n### Added\n\n- \`nice\`, \`ps\`, \`rss\`\n\n### Removed\n\n- \`nice\`\n`;
const problems = (now: Surfaces, unreleased = "", version = "1.3.0") =>
  problemsWith(changesOf(released, now), { version }, changelog(unreleased));

describe("a stable surface", () => {
  it("that is as in the release needs no line of the changelog", () => {
    expect(problems(structuredClone(released))).toEqual([]);
  });

  it("needs a line that names what is new", () => {
    const now = having("options of jobs", { cap_add: "list of string" });
    expect(problems(now)).toEqual([expect.stringMatching(/^options of jobs: cap_add \(new → .*`cap_add`/)]);
    expect(problems(now, "### Added\n\n- Tasks get cap_add.")).toHaveLength(1);
    expect(problems(now, "### Added\n\n- `cap_addition`")).toHaveLength(1);
    expect(problems(now, '### Added\n\n- `cap_add = ["kill"]`')).toEqual([]);
  });

  it.each([
    ["a changed default", having("options of jobs", { nice: "number, default 1" }), "nice"],
    ["a removed field", without("JSON of verbs", "ps.memory.rss"), "rss"],
    ["a removed flag", without("verbs and flags", "ps --json"), "--json"],
    ["a line of another level", having("log lines", { "a task runs": "info" }), "a task runs"],
  ])("needs a line for %s, which is no addition", (_, now, word) => {
    expect(problems(now)).toHaveLength(1);
    expect(problems(now, `### Added\n\n- \`${word}\``)).toHaveLength(1);
    expect(problems(now, `### Changed\n\n- \`${word}\``)).toEqual([]);
    expect(problems(now, `### Added\n\n- one\n\n### Removed\n\n- \`${word}\``)).toEqual([]);
  });

  it("names as a whole what comes or goes as a whole", () => {
    const now = having("verbs and flags", { prove: "", "prove --json": "", "prove --network": "" });
    expect(problems(now)).toHaveLength(1);
    expect(problems(now, "### Added\n\n- `prove`")).toEqual([]);
    expect(problems(without("JSON of verbs", "ps.memory", "ps.memory.rss"))).toHaveLength(1);
  });

  it.each([
    ["nice", "1.3.0", 1],
    ["old", "1.2.0", 1],
    ["old", "1.3.0", 0],
    ["old", "2.0.0", 0],
  ])("loses the option %s after release %s only if it was deprecated before", (name, version, count) => {
    const found = problems(without("options of jobs", name), `### Removed\n\n- \`${name}\``, version);
    expect(found).toHaveLength(count);
    expect(found.every((each) => each.includes("deprecate it for 2 minor versions first"))).toBe(true);
  });
});

it("reads the unreleased part and the newest release of a changelog", () => {
  expect(unreleasedIn(changelog("### Added\n\n- one"))).toBe("### Added\n\n- one");
  expect(unreleasedIn(changelog(""))).toBe("");
  expect(newestRelease(changelog(""))).toBe("1.3.0");
  expect(newestRelease("# Changelog\n\n## [Unreleased]\n\n- one")).toBeUndefined();
});
