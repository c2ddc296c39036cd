import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

test("docs/contributing/architecture.md says what each dependency is for", () => {
  const packages = ["package.json", ...globSync("tools/*/package.json", { cwd: root })].map((path) =>
    JSON.parse(read(path)),
  );
  const needed = packages.flatMap(({ dependencies = {}, optionalDependencies = {}, devDependencies = {} }) =>
    Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies }),
  );
  const [, section = ""] = read("docs/contributing/architecture.md").split("## Dependencies\n");
  const rows = section.split("\n## ")[0]?.match(/^\| `.*$/gm) ?? [];
  const documented = rows.flatMap((row) => row.split("|")[1]?.match(/(?<=`)[^`, ]+(?=`)/g) ?? []);
  expect(documented.toSorted()).toEqual(needed.toSorted());
});

test.each(["package-lock.json", ...globSync("tools/*/package-lock.json", { cwd: root })])(
  "%s names no registry",
  (path) => {
    const { packages } = JSON.parse(read(path)) as { packages: Record<string, object> };
    expect(Object.keys(packages).length).toBeGreaterThan(5);
    expect(Object.keys(packages).filter((name) => "resolved" in (packages[name] ?? {}))).toEqual([]);
  },
);
