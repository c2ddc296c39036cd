import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loggedLines } from "../../../scripts/schemas/surfaces.ts";

const root = join(import.meta.dirname, "../../..");
const page = readFileSync(join(root, "docs/troubleshooting.md"), "utf8");

const calls = loggedLines();

test("every line of the plugin's log has one text, and values in fields beside it", () => {
  expect(calls.length).toBeGreaterThan(20);
  expect(calls.filter(({ message }) => !/^"[^"]+"$/.test(message))).toEqual([]);
});

test("operators can look up every line of the plugin's log, with its level", () => {
  const shown = calls.filter(({ level }) => level !== "trace");
  expect(shown.length).toBeGreaterThan(20);
  for (const { level, message } of shown) {
    expect(page).toContain(`| ${level} | \`${message.slice(1, -1)}\` |`);
  }
});
