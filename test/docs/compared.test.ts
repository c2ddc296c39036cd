/** The pages that give tests as evidence: docs/compared.md and docs/security.md. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const docs = `${import.meta.dirname}/../../docs`;
const pages = ["compared.md", "security.md"];
const read = (page: string) => readFileSync(`${docs}/${page}`, "utf8");

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
  expect(rows.filter(({ page }) => page === "compared.md").length).toBeGreaterThan(100);
  expect(rows.filter(({ page }) => page === "security.md").length).toBeGreaterThan(30);
});

test.each(rows)(
  "$page: $cells.0: says what this driver does, and which tests show it",
  ({ cells, width }) => {
    expect(cells).toHaveLength(width);
    expect(cells.at(-2)).not.toBe("");
    expect(cells.at(-1)).toContain("](../test/");
  },
);

test("docs/security.md has every recreated attack as evidence", () => {
  const attacks = readdirSync(`${docs}/../test/attacks`);
  expect(attacks.filter((name) => !read("security.md").includes(`/attacks/${name})`))).toEqual([]);
});
