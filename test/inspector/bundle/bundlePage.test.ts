/** Bundles dropped onto the page, saved files, and printing. Screenshots go to test-results/inspector. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Download, Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { toTaskId } from "../../../src/base/taskId.ts";
import { parseBundle } from "../../../src/history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../../src/history/replay/check/checkLog.ts";
import { appendUsage } from "../../../src/store/usage/usageFile.ts";
import { allocation, recordAllocation, runOf } from "../../support/history/allocation.ts";
import { eventually } from "../../support/host/eventually.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { usageSample } from "../../support/metrics/usage.ts";
import { expectAccessible, openPage, screenshot } from "../../support/screen/browserPage.ts";
import { startInspector } from "../../support/screen/inspector.ts";

const at = (page: Page, fragment: string) => page.goto(new URL(fragment, page.url()).href);
const past = { begin: Date.now() - 3_600_000, failures: 2 };
const taskPage = `#/task/${encodeURIComponent(runOf("web", 3))}`;

async function makeBundle(): Promise<string> {
  const { record, ask, log } = await startInspector();
  await recordAllocation(record, past);
  const id = toTaskId(runOf("web", 3));
  for (let second = 1; second <= 20; second++) {
    const time = past.begin + second * 1_000;
    appendUsage(log, id, usageSample({ time, userUs: second * 400_000, memoryBytes: second * 2 ** 20 }));
  }
  const text = await eventually(async () => {
    const { status, body } = await ask(`/api/bundle?id=${encodeURIComponent(runOf("web", 3))}`);
    expect(status).toBe(200);
    expect(body.trim().split("\n")).toHaveLength(12);
    return body;
  });
  const path = join(temporaryFolder(), "ticket-4711.jsonl");
  writeFileSync(path, text);
  return path;
}

/** Drops a file onto the page, as with the mouse. */
async function drop(page: Page, name: string, text: string): Promise<void> {
  const transfer = await page.evaluateHandle(
    ([file, content]) => {
      const data = new DataTransfer();
      data.items.add(new File([content as string], file as string));
      return data;
    },
    [name, text],
  );
  await page.dispatchEvent("body", "dragover", { dataTransfer: transfer });
  await page.locator(".drop-here").waitFor();
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
}

async function bytesOf(download: Download): Promise<Buffer> {
  return readFileSync(await download.path());
}

describe("a bundle", () => {
  it.for([
    ["light", 390],
    ["dark", 1280],
  ] as const)(
    "that is dropped onto the page is shown as foreign: %s, %i wide",
    async ([colorScheme, width], context) => {
      const path = await makeBundle();
      const { server } = await startInspector();
      const page = await openPage(context, server.url, { colorScheme, viewport: { width, height: 900 } });
      await page.getByText("No task has run here yet").waitFor();
      await drop(page, "ticket-4711.jsonl", readFileSync(path, "utf8"));
      await page.getByRole("heading", { name: "ticket-4711.jsonl" }).waitFor();
      await page.getByText("Consistent: each event fits its hash").waitFor();
      await expectAccessible(page);
      await page.screenshot({ path: screenshot(`bundle-${colorScheme}-${width}`) });
      await page.getByRole("link", { name: "web" }).click();
      await page.getByText("From a bundle that was dropped here").waitFor();
      await page.locator("#state-killing.lit").waitFor();
      await page.getByText("Run 1 of 1").waitFor();
      const used = page.getByRole("region", { name: "What it used", exact: true });
      await used.getByRole("img", { name: "Memory: at most 20 MiB" }).waitFor();
      // The bundle's paths do not belong to this host.
      expect(await page.locator(".output").count()).toBe(0);
      await expectAccessible(page);
      await page.screenshot({ path: screenshot(`bundleTask-${colorScheme}-${width}`) });
      expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
      await page.reload();
      await page.locator("#state-killing.lit").waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("heading", { name: "ticket-4711.jsonl" }).waitFor();
      // The inspector's own list does not have the bundle's tasks.
      await page.getByRole("link", { name: "Tasks", exact: true }).click();
      await page.getByText("No task has run here yet").waitFor();
    },
  );

  it("can also be chosen as a file; a file that is not a bundle causes an error", async (context) => {
    const path = await makeBundle();
    const { server } = await startInspector();
    const page = await openPage(context, server.url, {}, /400/);
    await page.getByRole("link", { name: "Bundle" }).click();
    const other = join(temporaryFolder(), "notes.txt");
    writeFileSync(other, "nothing");
    await page.getByLabel("Bundle", { exact: true }).setInputFiles(other);
    await page.getByText("notes.txt is not a whole bundle").waitFor();
    await page.getByLabel("Bundle", { exact: true }).setInputFiles(path);
    await page.getByText("Consistent: each event fits its hash").waitFor();
  });
});

describe("a file that the page saves", () => {
  it("is a verifiable bundle, or a drawing that other programs can open", async (context) => {
    const { server, record } = await startInspector();
    await recordAllocation(record, past);
    const page = await openPage(context, server.url);
    await at(page, taskPage);
    const save = async (name: string) => {
      const download = page.waitForEvent("download");
      await page.getByRole("button", { name, exact: true }).click();
      return download;
    };
    const bundle = await save("Save as Bundle");
    expect(bundle.suggestedFilename()).toBe("web.jsonl");
    const { reader } = parseBundle((await bytesOf(bundle)).toString(), "");
    expect(checkLog(reader)).toMatchObject({ streams: 1, events: 10, findings: [] });
    for (const [what, file, texts] of [
      ["the chart", "web-chart", ["running", "stopping"]],
      ["the lanes", "lanes-6f2d4a9e", ["db", "Running, taken over once"]],
    ] as const) {
      const svg = await save(`Save ${what} as SVG`);
      expect(svg.suggestedFilename()).toBe(`${file}.svg`);
      const drawing = (await bytesOf(svg)).toString();
      for (const text of texts) expect(drawing).toContain(text);
      expect(drawing).not.toMatch(/ class=| href=|<script|<style|var\(/);
      expect(drawing).toMatch(/fill="rgb\(/);
      const png = await save(`Save ${what} as PNG`);
      expect(png.suggestedFilename()).toBe(`${file}.png`);
      const picture = await bytesOf(png);
      expect(picture.subarray(1, 4).toString()).toBe("PNG");
      // The picture is not empty, and has more than one colour.
      expect(picture.length).toBeGreaterThan(5_000);
      writeFileSync(screenshot(`saved-${file}`), picture);
    }
  });
});

describe("the printed page", () => {
  it("shows the task without the screen's controls", async (context) => {
    const { server, record } = await startInspector();
    await recordAllocation(record, past);
    const page = await openPage(context, server.url, {
      colorScheme: "dark",
      viewport: { width: 800, height: 1100 },
    });
    await at(page, taskPage);
    await page.getByText("Run 3 of 4").waitFor();
    await page.emulateMedia({ media: "print" });
    for (const hidden of ["nav", ".banners", ".tools", ".copy", ".whatif", ".output"]) {
      expect(await page.locator(hidden).first().isVisible(), hidden).toBe(false);
    }
    for (const shown of [".verdict", "svg.lanes", "svg.chart", ".story"]) {
      expect(await page.locator(shown).first().isVisible(), shown).toBe(true);
    }
    await page.screenshot({ path: screenshot("printed"), fullPage: true });
    const pdf = await page.pdf({ format: "A4", printBackground: true });
    expect(pdf.subarray(0, 5).toString()).toBe("%PDF-");
    await at(page, `#/allocation/${allocation}`);
  });
});
