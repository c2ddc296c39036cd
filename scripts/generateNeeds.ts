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
  found: "tests, if it is installed already",
};

/** The page with the present table. */
export function renewNeeds(text: string): string {
  const rows = needs.map(({ has, from, by, to, service }) => {
    const commands = has.map((each) => `\`${each}\``).join(", ");
    const who = by.map((each) => users[each] ?? each).join(", ");
    return `| \`${from}\`${service ? " (a service)" : ""} | ${commands} | ${who} | ${to} |`;
  });
  const table = ["| package | commands and files | who needs it | for |", "|---|---|---|---|", ...rows];
  return text.replace(/(?<=<!-- what a machine must have -->\n\n)\|.*?\n(?=\n)/s, `${table.join("\n")}\n`);
}

if (import.meta.main) writeFileSync(page, renewNeeds(readFileSync(page, "utf8")));
