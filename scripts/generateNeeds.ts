/** Updates the table in docs/contributing/testing.md of what scripts and tests need on a machine. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { needs } from "./hostPackages.mjs";

const page = join(import.meta.dirname, "../docs/contributing/testing.md");

const users: Readonly<Record<string, string>> = {
  test: "`npm test`",
  long: "`test:long`",
  vm: "`test:vm`",
  arm64: "`test:vm:arm64`",
  fresh: "`.ci/run`",
  found: "tests, where they are installed already",
};

/** The page with the present table: a row for those who need the same packages. What each is for, the list says. */
export function renewNeeds(text: string): string {
  const rows = [...grouped(needs, ({ by }) => by.map((each) => users[each] ?? each).join(", "))];
  const table = rows.map(([who, packages]) => `| ${who} | ${packages.map(nameOf).join(", ")} |`);
  return text.replace(
    /(?<=<!-- what a machine must have -->\n\n)\|.*?\n(?=\n)/s,
    `| for | packages |\n|---|---|\n${table.join("\n")}\n`,
  );
}

type Need = (typeof needs)[number];

const nameOf = ({ from, service }: Need) => `\`${from}\`${service ? "*" : ""}`;

function grouped<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}

if (import.meta.main) writeFileSync(page, renewNeeds(readFileSync(page, "utf8")));
