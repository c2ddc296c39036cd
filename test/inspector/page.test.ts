/** The page in a real browser: Debian's Chromium. Screenshots go to test-results/inspector. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, type TestContext } from "vitest";
import { event } from "../support/history.ts";
import { startInspector } from "../support/inspector.ts";
import { type Life, life } from "../support/lives.ts";

const executablePath = "/usr/bin/chromium";
const folder = join(import.meta.dirname, "../../test-results/inspector");
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
let browser: Browser | undefined;

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  if (!existsSync(executablePath)) return;
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});
afterAll(() => browser?.close());

const idOf = (number: number, name = "web") =>
  `${String(number).padStart(8, "0")}-0000-4000-8000-000000000000/${name}/00000000`;

async function openPage(context: TestContext, url: string, options = {}): Promise<Page> {
  if (browser === undefined) {
    const message = `"${context.task.name}" needs ${executablePath}: apt-get install chromium`;
    if (process.env.CI) throw new Error(message);
    console.warn(`NOT TESTED: ${message}`);
    return context.skip(message);
  }
  const page = await browser.newPage(options);
  page.setDefaultTimeout(8_000);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (told) => told.type() === "error" && complaints.push(told.text()));
  onTestFinished(async () => {
    await page.close();
    expect(complaints).toEqual([]);
  });
  await page.goto(url);
  return page;
}

async function expectAccessible(page: Page): Promise<void> {
  // Evaluated by the browser's own tools: the page's policy lets no script of others in.
  await page.evaluate(readFileSync(axe, "utf8"));
  const { violations } = (await page.evaluate("axe.run()")) as {
    violations: { id: string; impact: string; nodes: { html: string }[] }[];
  };
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  expect(serious.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
}

describe("the page", () => {
  it("shows tasks as they come, and says what to do while there is none", async (context) => {
    const { server, record } = await startInspector();
    const page = await openPage(context, server.url);
    await page.getByText("No task has run here yet").waitFor();
    expect(page.url()).not.toContain("token");
    await record(idOf(1), [event("requested")]);
    await page.getByText("pending").waitFor();
    await record(idOf(1), life("ended").slice(1));
    await page.getByText("Completed").waitFor();
  });

  it.for([
    ["light", 1200],
    ["dark", 1200],
    ["light", 390],
    ["dark", 390],
  ] as const)(
    "tells why a task ended, and is wound back by the keyboard: %s, %i wide",
    async ([colorScheme, width], context) => {
      const { server, record } = await startInspector();
      for (const [index, name] of (["ended", "killed", "failed", "lost"] as Life[]).entries())
        await record(idOf(index, name), life(name));
      const page = await openPage(context, server.url, { colorScheme, viewport: { width, height: 900 } });
      await page.getByText("killed").first().waitFor();
      await expectAccessible(page);
      await page.screenshot({ path: join(folder, `list-${colorScheme}-${width}.png`) });
      await page.keyboard.press("/");
      await page.keyboard.type("killed");
      await page.getByRole("link", { name: /killed/ }).focus();
      await page.keyboard.press("Enter");
      await page.getByText("Killed: still running 5 s after SIGINT").waitFor();
      await page.locator("#state-destroyed.lit").waitFor();
      await page.keyboard.press("Home");
      await page.locator("#state-pending.lit").waitFor();
      for (let step = 0; step < 3; step++) await page.keyboard.press("ArrowRight");
      await page.locator("#state-running.lit").waitFor();
      await page.getByText("Event 4: started, then running").waitFor();
      await expectAccessible(page);
      await page.screenshot({ path: join(folder, `task-${colorScheme}-${width}.png`), fullPage: true });
      await page.keyboard.press("Escape");
      await page.getByRole("link", { name: "Node" }).click();
      await page.getByText("ABI").waitFor();
      await expectAccessible(page);
      await page.screenshot({ path: join(folder, `node-${colorScheme}-${width}.png`) });
      expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    },
  );

  it("draws of 2,000 tasks those in sight, and finds any", async (context) => {
    const { server, record } = await startInspector();
    const adding = Array.from({ length: 2_000 }, (_, number) =>
      record(idOf(number, `task${number}`), life("failed")),
    );
    await Promise.all(adding);
    const page = await openPage(context, server.url);
    await page.getByText("2000 of 2000").waitFor();
    expect(await page.locator(".row").count()).toBeLessThan(60);
    await page.keyboard.press("/");
    await page.keyboard.type("task1234");
    await page.getByText("1 of 2000").waitFor();
  });
});
