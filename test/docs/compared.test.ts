/** The pages that give tests as evidence: docs/compared.md, and docs/contributing/evidence.md for docs/security.md. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

const docs = `${import.meta.dirname}/../../docs`;
const evidence = "contributing/evidence.md";
const pages = ["compared.md", evidence];
const read = (page: string) => readFileSync(`${docs}/${page}`, "utf8");

/** A long text is cut: its first words, and `…`. */
const firstWords = (text: string) => text.replace(/…$/, "");

interface Row {
  readonly page: string;
  readonly cells: readonly string[];
  /** How many cells the head of the table has. */
  readonly width: number;
}

/** The rows of the tables whose last column is "shown by". */
function rowsWithEvidence(page: string): Row[] {
  const tables = read(page).match(/(?:^\| .*\n|^\|-.*\n)+/gm) ?? [];
  return tables.flatMap((table) => {
    const [head = [], , ...rows] = table
      .trimEnd()
      .split("\n")
      .map((line) => line.slice(2, -2).split(" | "));
    return head.at(-1) === "shown by" ? rows.map((cells) => ({ page, cells, width: head.length })) : [];
  });
}

const rows = pages.flatMap(rowsWithEvidence);

test("the pages give tests as evidence", () => {
  expect(rows.filter(({ page }) => page === "compared.md").length).toBeGreaterThan(85);
  expect(rows.filter(({ page }) => page === evidence).length).toBeGreaterThan(30);
});

test.each(rows)(
  "$page: $cells.0: says what this driver does, and which tests show it",
  ({ cells, width }) => {
    expect(cells).toHaveLength(width);
    expect(cells.at(-2)).not.toBe("");
    expect(cells.at(-1)).toMatch(/\]\((?:\.\.\/)+test\//);
  },
);

test("the pages name tests by the first words of their titles", () => {
  const named = rows.flatMap(({ page, cells }) =>
    [...(cells.at(-1) ?? "").matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)].map(([, title = "", path = ""]) => {
      return { page, title, path };
    }),
  );
  expect(named.length).toBeGreaterThan(200);
  const missing = named.filter(({ page, title, path }) => {
    const source = readFileSync(join(dirname(join(docs, page)), path), "utf8").replaceAll("\\", "");
    return !source.includes(firstWords(title));
  });
  expect(missing).toEqual([]);
});

test("each row of a table of attacks or secrets in docs/security.md has its evidence, and no row more", () => {
  const shown = rows.filter(({ page }) => page === evidence).map(({ cells }) => cells[0]);
  const tables = read("security.md").match(/^\| (?:attack|place) \|.*\n\|-.*\n(?:\| .*\n)+/gm) ?? [];
  const named = tables.flatMap((table) => table.trimEnd().split("\n").slice(2));
  const whole = named.map((row) => row.slice(2, -2).split(" | ")[0] ?? "");
  expect(new Set(shown).size).toBe(whole.length);
  expect(whole.filter((row, index) => !row.startsWith(firstWords(shown[index] ?? "?")))).toEqual([]);
});

test("every recreated attack is evidence", () => {
  const attacks = readdirSync(`${docs}/../test/attacks`);
  expect(attacks.filter((name) => !read(evidence).includes(`/attacks/${name})`))).toEqual([]);
});
