/** The page's token, in a real browser: where it works, and where it does not go. */
import { readFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { life } from "../support/history/history.ts";
import { openPage } from "../support/screen/browserPage.ts";
import { idOf, startInspector } from "../support/screen/inspector.ts";

it("admits the page after a reload, and in other tabs of the browser", async (context) => {
  const { server, record } = await startInspector();
  await record(idOf(1), life("killed"));
  const page = await openPage(context, server.url);
  const link = page.getByRole("link", { name: "web" }).first();
  await link.waitFor();
  await page.reload();
  await link.waitFor();
  const [tab] = await Promise.all([
    page.context().waitForEvent("page"),
    link.click({ modifiers: ["ControlOrMeta"] }),
  ]);
  await tab.locator("#state-killing.lit").waitFor();
  // A tab without an opener shares nothing with other tabs but what belongs to the origin.
  const [typed] = await Promise.all([
    page.context().waitForEvent("page"),
    page.evaluate(`window.open(${JSON.stringify(tab.url())}, "_blank", "noopener")`),
  ]);
  await typed.locator("#state-killing.lit").waitFor();
});

it("does not admit a page that was never opened with it, and that page says what to do", async (context) => {
  const { server } = await startInspector();
  const page = await openPage(context, new URL("/", server.url).href, {}, /401/);
  await page.getByText("The inspector refused this page.").waitFor();
});

it("saves files, also where the browser gives the page no clipboard", async (context) => {
  const { server, record } = await startInspector();
  await record(idOf(1), life("killed"));
  const page = await openPage(context, server.url);
  await page.addInitScript("Object.defineProperty(globalThis, 'isSecureContext', { value: false })");
  await page.goto(`${new URL(server.url).origin}/#/task/${encodeURIComponent(idOf(1))}`);
  await page.reload();
  const button = page.getByRole("group", { name: "Copy" }).getByRole("button", { name: "JSON" });
  const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
  expect(JSON.parse(readFileSync(await download.path(), "utf8"))).toHaveLength(life("killed").length);
});

it("goes to no other port of the host: a task's own page does not get it", async (context) => {
  const { server, record } = await startInspector();
  await record(idOf(1), life("ended"));
  const received: [url: string | undefined, headers: IncomingHttpHeaders][] = [];
  const other = createServer(({ url, headers }, response) => {
    received.push([url, headers]);
    response.setHeader("Content-Type", "text/html").end("<p>a task's page</p>");
  });
  onTestFinished(() => void other.close());
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const page = await openPage(context, server.url, {}, /favicon|CORS policy|ERR_FAILED/);
  await page.getByRole("link", { name: "web" }).first().waitFor();
  expect(await page.context().cookies()).toEqual([]);
  await page.goto(`http://127.0.0.1:${(other.address() as AddressInfo).port}/`);
  await page.getByText("a task's page").waitFor();
  expect(await page.evaluate("Object.values(localStorage)")).toEqual([]);
  const fetched = await page.evaluate(
    `fetch("${new URL("/api/tasks", server.url)}", { credentials: "include" }).then(() => "got", () => "refused")`,
  );
  expect(fetched).toBe("refused");
  expect(received.length).toBeGreaterThan(0);
  expect(JSON.stringify(received)).not.toContain(server.access.token);
});
