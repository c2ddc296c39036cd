/** docs/replay.md has all keys of the view, and all names of its expressions. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bindingGroups } from "../../src/cli/debugger/bindings.ts";
import { namesOfMoment } from "../../src/replay/expression/momentScope.ts";

const rows = readFileSync(join(import.meta.dirname, "../../docs/replay.md"), "utf8").split("\n");

describe("the documentation of the view", () => {
  it.each(bindingGroups.filter(({ pages }) => pages.includes("moment")))(
    "has the keys of: $title",
    ({ title, bindings }) => {
      expect(rows).toContain(`| ${title} | |`);
      for (const { shown, does } of bindings) expect(rows).toContain(`| \`${shown}\` | ${does} |`);
    },
  );

  it("has the names of expressions", () => {
    for (const [name, meaning] of Object.entries(namesOfMoment))
      expect(rows).toContain(`| \`${name}\` | ${meaning} |`);
  });
});
