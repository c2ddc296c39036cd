/** The documentation in a release is complete in itself. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { pages } from "../../../scripts/release/content.ts";

const root = join(import.meta.dirname, "../../..");
const content = pages();

it("has the pages for operators, what they show, and the examples", () => {
  const paths = [...content.keys()];
  for (const path of [
    "README.md",
    "docs/install.md",
    "docs/images/inspectorList.png",
    "docs/histories/denied.jsonl",
    "examples/hello.nomad.hcl",
  ])
    expect(paths).toContain(path);
  expect(paths.filter((path) => path.includes("contributing"))).toEqual([]);
  expect(content.get("docs/images/inspectorList.png")).toEqual(
    readFileSync(join(root, "docs/images/inspectorList.png")),
  );
});

it("has no link to a file that is not in the release, but still the link's text", () => {
  const links = [...content].flatMap(([page, text]) =>
    [...text.toString().matchAll(/\]\(([^)#\s]+)/g)]
      .filter(() => page.endsWith(".md"))
      .map(([, target = ""]) => ({ page, target })),
  );
  const inside = links.filter(({ target }) => !target.includes("://"));
  expect(inside.length).toBeGreaterThan(100);
  expect(inside.filter(({ page, target }) => !content.has(join(dirname(page), target)))).toEqual([]);
  const [, label = ""] =
    /\[([^\]]+)\]\(\.\.\/test\//.exec(readFileSync(join(root, "docs/security.md"), "utf8")) ?? [];
  expect(label).not.toBe("");
  expect(content.get("docs/security.md")?.toString()).toContain(label);
});
