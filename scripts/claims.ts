/**
 * Checks that a sentence of some pages that speaks of never, always, only, all, every or none has a test, which
 * claims.json names. Generated tables are left out, since the code has them, and tables of attacks and secrets, whose
 * rows have their tests in docs/contributing/evidence.md.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Claim {
  readonly page: string;
  /** A part of the sentence. */
  readonly claim: string;
  readonly test: string;
  /** What the test's file has: the title of the test, or the words with which it fails. */
  readonly title: string;
}

const root = join(import.meta.dirname, "..");
const pages = [
  "README.md",
  "docs/security.md",
  "docs/recovery.md",
  "docs/egress.md",
  "docs/configuration.md",
] as const;
const universal = /(?<![-\w])(?:never|always|only|all|every|none)(?![-\w])/i;
const elsewhere = [
  /^ *```.*?^ *```$/gms,
  /<!-- generated: .*?<!-- end: .*?-->/gs,
  /^\| (?:attack|place) \|.*\n\|-.*\n(?:\| .*\n)+/gm,
];

/** The sentences, and cells of tables, that claim something universal. */
export function claimsIn(page: string): string[] {
  const text = elsewhere.reduce((rest, pattern) => rest.replaceAll(pattern, "\n"), page);
  const sentences = text.split(/(?<=[.:;!?])\s+|\s\|\s|\n/);
  return sentences.filter((sentence) => universal.test(sentence.replaceAll(/`[^`]*`/g, "")));
}

/** What is wrong: claims without a test, and rows of the list without a claim or without a test. */
export function untested(list: readonly Claim[], read: (path: string) => string): string[] {
  const claims = pages.flatMap((page) => claimsIn(read(page)).map((sentence) => ({ page, sentence })));
  const isOf = (row: Claim, { page, sentence }: (typeof claims)[number]) =>
    row.page === page && sentence.includes(row.claim);
  const bare = claims.filter((claim) => !list.some((row) => isOf(row, claim)));
  const gone = list.filter((row) => !claims.some((claim) => isOf(row, claim)));
  const without = list.filter(({ test, title }) => !read(test).includes(title));
  return [
    ...bare.map(({ page, sentence }) => `${page}: no test for "${sentence.trim()}"`),
    ...gone.map(({ page, claim }) => `scripts/claims.json: ${page} has no claim "${claim}"`),
    ...without.map(({ test, title }) => `scripts/claims.json: ${test} has no "${title}"`),
  ];
}

/** The list, and what the checkout has wrong. */
export function checkClaims(): { readonly count: number; readonly problems: readonly string[] } {
  const read = (path: string) => readFileSync(join(root, path), "utf8");
  const list = JSON.parse(read("scripts/claims.json")) as Claim[];
  return { count: list.length, problems: untested(list, read) };
}

if (import.meta.main) {
  const { problems } = checkClaims();
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) {
    console.error(
      "Name its test in scripts/claims.json, or say less than never, always, only, all, every, none.",
    );
    process.exitCode = 1;
  }
}
