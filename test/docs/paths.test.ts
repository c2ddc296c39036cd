import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const read = (page: string) => readFileSync(join(root, page), "utf8");
const docs = (readdirSync(join(root, "docs"), { recursive: true }) as string[]).filter((name) =>
  name.endsWith(".md"),
);
const pages = ["README.md", "CONTRIBUTING.md", ...docs.map((name) => `docs/${name}`)];
const sources = ["src", "test", "scripts", "bench"];
const files = [
  ...readdirSync(root),
  ...sources.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => `${folder}/${name}`),
  ),
];

/** The paths and names of source files that the pages mention. */
const named = pages.flatMap((page) =>
  [...read(page).matchAll(/`([\w./-]+)`/g)].flatMap(([, name = ""]) =>
    /^(?:src|test|scripts|bench)\/./.test(name) || /^[\w./]+\.(?:ts|tsx|s)$/.test(name)
      ? [{ page, name }]
      : [],
  ),
);

test("the pages name existing files and folders", () => {
  expect(named.length).toBeGreaterThan(50);
  const missing = named.filter(({ name }) => {
    const path = name.replace(/\/$/, "");
    return !files.some((file) => file === path || file.endsWith(`/${path}`));
  });
  expect(missing).toEqual([]);
});

test("docs/contributing/architecture.md has every folder of the sources", () => {
  const [, section = ""] = read("docs/contributing/architecture.md").split(/^## The folders$/m);
  const [table = ""] = section.split(/^## /m);
  const cells = [...table.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)];
  const listed = cells.flatMap(([, cell = ""]) => cell.match(/\w+/g) ?? []);
  const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((one) => one.isDirectory());
  expect(listed.sort()).toEqual(folders.map(({ name }) => name).sort());
});
