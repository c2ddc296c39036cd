/** Every relative link leads to an existing file, and to a heading in it if the link names one. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const pages = globSync(["*.md", "docs/**/*.md"], { cwd: root });
const read = (page: string) => readFileSync(join(root, page), "utf8").replaceAll(/^```.*?^```$/gms, "");

/** The names that GitHub gives to the headings of a page. */
const anchors = (page: string) =>
  [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-"),
  );

const links = pages.flatMap((page) =>
  [...read(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].map(
    ([link, path = "", anchor]) => ({
      page,
      link,
      target: path === "" ? page : join(dirname(page), path),
      anchor,
    }),
  ),
);

test("links lead to existing files and headings", () => {
  expect(pages.length).toBeGreaterThan(15);
  expect(links.length).toBeGreaterThan(100);
  const broken = links.filter(({ target, anchor }) => {
    if (!existsSync(join(root, target))) return true;
    return anchor !== undefined && !anchors(target).includes(anchor);
  });
  expect(broken).toEqual([]);
});
