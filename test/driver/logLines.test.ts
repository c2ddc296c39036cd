import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/recovery.md"), "utf8");

/** Level and text of each line that is written in words of the source, up to the first value in it. */
const lines = globSync("src/{driver,store}/**/*.ts", { cwd: root }).flatMap((file) => {
  const source = readFileSync(join(root, file), "utf8");
  const calls = source.matchAll(/[lL]og\s*\.(error|warn|info|debug)\(\s*(["`])(.+?)(?:\2|\$\{)/g);
  return [...calls].map(([, level = "", , text = ""]) => `${level} | \`${text}`);
});

test("operators can look up every line of the plugin's log", () => {
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) expect(page).toContain(line);
});
