/** The inspector's page in a browser, held to what every page must keep. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { expect, onTestFinished, type TestContext } from "vitest";
import { missingBrowser } from "./browser.ts";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/**
 * Opens it; skips the test, loudly, where there is no browser. What the page
 * complains of fails the test, but for what is expected.
 */
export async function openPage(
  context: TestContext,
  browser: Browser | undefined,
  url: string,
  options: BrowserContextOptions = {},
  expected?: RegExp,
): Promise<Page> {
  if (browser === undefined) {
    if (process.env.CI) throw new Error(missingBrowser);
    console.warn(`NOT TESTED: "${context.task.name}": ${missingBrowser}`);
    return context.skip(missingBrowser);
  }
  const page = await browser.newPage(options);
  page.setDefaultTimeout(8_000);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (told) => told.type() === "error" && complaints.push(told.text()));
  onTestFinished(async () => {
    await page.close();
    expect(complaints.filter((complaint) => expected?.test(complaint) !== true)).toEqual([]);
  });
  await page.goto(url);
  return page;
}

/** No finding of axe-core that is serious. */
export async function expectAccessible(page: Page): Promise<void> {
  // Evaluated by the browser's own tools: the page's policy lets no script of others in.
  await page.evaluate(readFileSync(axe, "utf8"));
  const { violations } = (await page.evaluate("axe.run()")) as {
    violations: { id: string; impact: string; nodes: { html: string }[] }[];
  };
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  expect(serious.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
}

/** How far things have moved about without anybody's doing; 0 is nothing (web.dev/cls). */
export async function layoutShift(page: Page): Promise<number> {
  return (await page.evaluate(`new Promise((resolve) => {
    let shift = 0;
    new PerformanceObserver((list) => {
      for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) shift += value;
    }).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => resolve(shift), 100);
  })`)) as number;
}
