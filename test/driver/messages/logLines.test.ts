import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../../..");
const page = readFileSync(join(root, "docs/troubleshooting.md"), "utf8");

/** Calls of the plugin's logger in the sources, each from the level to the end of the message. */
const calls = globSync("src/{driver,effects,grpc,store}/**/*.ts", { cwd: root }).flatMap((file) => {
  const source = readFileSync(join(root, file), "utf8");
  const found = source.matchAll(/\blog\s*\.(error|warn|info|debug|trace)\(\s*("[^"]*"|.{20})/gs);
  return [...found].map(([, level = "", message = ""]) => ({ file, level, message }));
});

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
