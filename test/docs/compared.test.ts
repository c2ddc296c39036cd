import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const docs = `${import.meta.dirname}/../../docs`;
const page = readFileSync(`${docs}/compared.md`, "utf8");

/** `[name of a test](../test/…)` */
const named = [...page.matchAll(/\[([^\]]+)\]\((\.\.\/test\/[^)]+)\)/g)].map(([, name = "", file = ""]) => ({
  name,
  file,
}));
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) => line.split(" | "));

test("the page names tests", () => {
  expect(named.length).toBeGreaterThan(100);
});

test.each(named)("$file has the test: $name", ({ name, file }) => {
  const path = `${docs}/${file}`;
  expect(existsSync(path)).toBe(true);
  const titles = ["'", '"', "`"].map(
    (quote) => `${quote}${name.replaceAll("`", quote === "`" ? "\\`" : "`")}${quote}`,
  );
  expect(titles.some((title) => readFileSync(path, "utf8").includes(title))).toBe(true);
});

test.each(rows.filter(([what]) => what !== "| what"))(
  "%s: says what this driver does, and shows it",
  (...row) => {
    expect(row).toHaveLength(4);
    expect(row[2]).not.toBe("");
    expect(row[3]).toContain("](../test/");
  },
);
