/** The inspector's page in a browser, with checks that hold for every page. */
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { expect, onTestFinished, type TestContext } from "vitest";
import { onFileFinished } from "../fileEnd.ts";
import { leaveOut } from "../host/requireTools.ts";
import { launchBrowser } from "./browser.ts";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

const folder = join(import.meta.dirname, "../../../test-results/inspector");

/** Limit of each wait for the page. A busy machine draws slowly. In ms. */
const pageTimeout = 60_000;

let launching: Promise<Browser | undefined> | undefined;

/** The browser of all tests of a file. */
function fileBrowser(): Promise<Browser | undefined> {
  if (launching === undefined) {
    mkdirSync(folder, { recursive: true });
    const launched = launchBrowser();
    launching = launched;
    onFileFinished(async () => {
      launching = undefined;
      await (await launched)?.close();
    });
  }
  return launching;
}

/** The path of a screenshot. Git ignores the folder. */
export function screenshot(name: string): string {
  return join(folder, `${name}.png`);
}

/**
 * Opens the page. Without a browser, the test is skipped with a message; in CI it fails. Errors in the page's
 * console fail the test, except expected ones.
 */
export async function openPage(
  context: TestContext,
  url: string,
  options: BrowserContextOptions = {},
  expected?: RegExp,
): Promise<Page> {
  const browser = await fileBrowser();
  if (browser === undefined) return leaveOut(context, "chromium-headless-shell");
  const page = await browser.newPage(options);
  page.setDefaultTimeout(pageTimeout);
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

/**
 * Expects that axe-core has no finding of any impact, with all rules that are not experimental.
 * @param view name of the view, for the error
 */
export async function expectAccessible(page: Page, view = ""): Promise<void> {
  // The browser's debugging protocol evaluates axe, because the page's policy allows no foreign scripts.
  await page.evaluate(readFileSync(axe, "utf8"));
  const { violations } = (await page.evaluate("axe.run()")) as {
    violations: { id: string; nodes: { html: string }[] }[];
  };
  expect(
    violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`),
    view,
  ).toEqual([]);
}

/** The layout shift without user input; 0 means none (web.dev/cls). */
export async function layoutShift(page: Page): Promise<number> {
  return (await page.evaluate(`new Promise((resolve) => {
    let shift = 0;
    new PerformanceObserver((list) => {
      for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) shift += value;
    }).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => resolve(shift), 100);
  })`)) as number;
}
