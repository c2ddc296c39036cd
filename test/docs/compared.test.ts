import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** Pages that name tests as evidence. */
const docs = `${import.meta.dirname}/../../docs`;
const [page, security] = ["compared.md", "security.md"].map((name) =>
  readFileSync(`${docs}/${name}`, "utf8"),
) as [string, string];

/** `[name of a test](../test/…)` */
const namedIn = (text: string) =>
  [...text.matchAll(/\[([^\]]+)\]\((\.\.\/test\/[^)]+)\)/g)].map(([, name = "", file = ""]) => ({
    name,
    file,
  }));
const named = [...namedIn(page), ...namedIn(security)];
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) => line.split(" | "));

test("the pages name tests", () => {
  expect(namedIn(page).length).toBeGreaterThan(100);
  expect(namedIn(security).length).toBeGreaterThan(40);
});

test("docs/security.md says what is promised against whom, and names every recreated attack", () => {
  const parts = security.split("\n").filter((line) => line.startsWith("## "));
  for (const actor of [
    "task on the host",
    "Task against task",
    "job's author",
    "local user",
    "Malformed requests",
    "bundle",
  ]) {
    expect(
      parts.some((part) => part.includes(actor)),
      actor,
    ).toBe(true);
  }
  const files = readdirSync(`${docs}/../test/attacks`);
  expect(files.filter((name) => !security.includes(`/attacks/${name})`))).toEqual([]);
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
