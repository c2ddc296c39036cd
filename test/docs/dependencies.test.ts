import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string) => readFileSync(`${import.meta.dirname}/../../${path}`, "utf8");

test("docs/contributing/architecture.md says what each dependency is for", () => {
  const { dependencies, optionalDependencies, devDependencies } = JSON.parse(read("package.json"));
  const [, section = ""] = read("docs/contributing/architecture.md").split("## Dependencies\n");
  const rows = section.split("\n## ")[0]?.match(/^\| `.*$/gm) ?? [];
  const documented = rows.flatMap((row) => row.split("|")[1]?.match(/(?<=`)[^`, ]+(?=`)/g) ?? []);
  expect(documented.toSorted()).toEqual(
    Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies }).toSorted(),
  );
});

test("the lock file names no registry", () => {
  const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, object> };
  expect(Object.keys(packages).length).toBeGreaterThan(100);
  expect(Object.keys(packages).filter((name) => "resolved" in (packages[name] ?? {}))).toEqual([]);
});
