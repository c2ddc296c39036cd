import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { renewPage } from "../../scripts/generateDebugging.ts";
import { loadBundle } from "../../src/history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../src/history/replay/check/checkLog.ts";

const docs = `${import.meta.dirname}/../../docs`;
const page = readFileSync(`${docs}/debugging.md`, "utf8");
const bundles = readdirSync(`${docs}/histories`);

test("the page shows what the program prints: npm run generate", { timeout: 60_000 }, () => {
  expect(page.match(/^\$ nomad-driver-exec2 \w+/gm)?.length).toBeGreaterThan(6);
  expect(renewPage(page)).toBe(page);
});

test.each(bundles)("%s is on the page, is masked, and replays without a divergence", async (name) => {
  expect(page).toContain(`<!-- histories/${name} -->`);
  const { header, reader } = await loadBundle(`${docs}/histories/${name}`);
  expect(header.masked).toBe(true);
  expect(checkLog(reader)).toMatchObject({ streams: header.streams.length, findings: [] });
});

test("the page names a bundle and an example for each problem", () => {
  const named = [...page.matchAll(/\[(examples\/\S+)\]\(\.\.\/\1\), histories\/(\S+)\*$/gm)];
  expect(named.map(([, , bundle]) => bundle).sort()).toEqual(bundles.sort());
  for (const [, example] of named) expect(() => readFileSync(`${docs}/../${example}`)).not.toThrow();
});
