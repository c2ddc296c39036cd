/**
 * The page that opens Stately's inspector, in a real browser. In place of the site stands a page that receives by
 * the library's own code.
 */
import type { BrowserContext, Page } from "playwright-core";
import { build } from "rolldown";
import { beforeAll, describe, expect, it, type TestContext } from "vitest";
import { event, life, requestWith } from "../support/history/history.ts";
import { expectAccessible, openPage, screenshot } from "../support/screen/browserPage.ts";
import { idOf, startInspector } from "../support/screen/inspector.ts";

const site = "https://stately.ai";
let receiver: string;

beforeAll(async () => {
  const { output } = await build({
    input: "receiver",
    platform: "browser",
    write: false,
    output: { format: "iife" },
    plugins: [
      {
        name: "receiver",
        resolveId: (id) => (id === "receiver" ? id : undefined),
        load: (id) =>
          id === "receiver"
            ? `import { createBrowserReceiver } from "@statelyai/inspect";
               window.received = [];
               createBrowserReceiver().subscribe((message) => window.received.push(message));`
            : undefined,
      },
    ],
  });
  receiver = `<!doctype html><title>Inspector</title><script>${output[0].code.replaceAll("</script", "<\\/script")}</script>`;
});

interface Received {
  readonly type: string;
  readonly sessionId: string;
  readonly definition?: string;
  readonly event?: { readonly type: string };
  readonly snapshot?: { readonly value: string };
}

/** What the page in a window has received. */
const received = (window: Page) => window.evaluate("window.received") as Promise<Received[]>;
const statesIn = async (window: Page) =>
  (await received(window)).flatMap(({ type, snapshot }) =>
    type === "@xstate.snapshot" ? [snapshot?.value] : [],
  );

/** Answers for a site. @returns the addresses that were asked of it */
async function stand(browser: BrowserContext, origin: string, body: string | undefined): Promise<string[]> {
  const asked: string[] = [];
  await browser.route(`${origin}/**`, (route) => {
    asked.push(route.request().url());
    return body === undefined
      ? route.abort("namenotresolved")
      : route.fulfill({ contentType: "text/html", body });
  });
  return asked;
}

/** The inspector's own page of a task, and the page that a click on its link opens. */
async function openLink(context: TestContext, url: string): Promise<{ page: Page; asked: string[] }> {
  const own = await openPage(context, url);
  const asked = await stand(own.context(), site, receiver);
  const opening = own.waitForEvent("popup");
  await own.getByRole("link", { name: "Open in Stately’s inspector" }).click();
  return { page: await opening, asked };
}

async function openWindow(page: Page, button: string): Promise<Page> {
  const opening = page.waitForEvent("popup");
  await page.getByRole("button", { name: button }).click();
  return opening;
}

const linkOf = (url: string, id: string) => `${url}#/task/${encodeURIComponent(id)}`;
const statelyPage = (url: string, id: string) =>
  `${new URL("/stately.html", url)}${new URL(url).search}#/task/${encodeURIComponent(id)}`;
const status = (page: Page) => page.getByRole("status").textContent();

describe("a task in Stately's inspector", () => {
  it("is shown in its present state, then live, and nothing is asked of the site before", async (context) => {
    const { server, record } = await startInspector();
    const [requested, ...rest] = life("ended");
    await record(idOf(1), requested ? [requested, ...rest.slice(0, 2)] : []);
    await record(idOf(2, "other"), life("killed"));
    const { page, asked } = await openLink(context, linkOf(server.url, idOf(1)));
    await page.getByText("this page sends it the state machine").waitFor();
    await expectAccessible(page);
    expect(asked).toEqual([]);
    const window = await openWindow(page, "Open, live");
    await page.getByText("Connected to https://stately.ai.").waitFor();
    await expect.poll(() => received(window)).toHaveLength(1);
    const [actor] = await received(window);
    expect(actor).toMatchObject({
      ...{ type: "@xstate.actor", sessionId: idOf(1), snapshot: { value: "sandboxed" } },
      _version: expect.any(String),
    });
    expect(Object.keys(JSON.parse(actor?.definition ?? "{}").states)).toContain("sandboxed");
    await record(idOf(1), rest.slice(2));
    await expect.poll(() => statesIn(window)).toEqual(["running", "exited", "destroyed"]);
    expect(new Set((await received(window)).map(({ sessionId }) => sessionId))).toEqual(new Set([idOf(1)]));
    await expect.poll(() => status(page)).toContain("Events sent: 3.");
    await page.screenshot({ path: screenshot("stately") });
    await expectAccessible(page);
  });

  it("is replayed, one event at a time, and masked", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), [requestWith({ args: ["correct-horse"] }), ...life("ended").slice(1)]);
    const { page } = await openLink(context, linkOf(server.url, idOf(1)));
    const window = await openWindow(page, "Open, to replay");
    await expect.poll(() => status(page)).toContain("not yet sent: 6");
    expect(await received(window)).toMatchObject([{ type: "@xstate.actor", snapshot: { value: "pending" } }]);
    const next = page.getByRole("button", { name: "Next event" });
    await next.click();
    await next.click();
    await expect.poll(() => statesIn(window)).toEqual(["pending", "fingerprinted"]);
    await page.getByRole("button", { name: "All" }).click();
    await expect.poll(async () => (await statesIn(window)).at(-1)).toBe("destroyed");
    expect(await status(page)).toContain("Events sent: 6, not yet sent: 0.");
    expect(JSON.stringify(await received(window))).not.toContain("correct-horse");
  });

  it("is shown again from the start if the window is loaded again, until it is closed", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), life("ended").slice(0, 4));
    const { page } = await openLink(context, linkOf(server.url, idOf(1)));
    const window = await openWindow(page, "Open, live");
    await expect.poll(() => received(window)).toHaveLength(1);
    await window.reload();
    await expect.poll(() => received(window)).toMatchObject([{ type: "@xstate.actor" }]);
    await window.close();
    await page.getByText("The window was closed.").waitFor();
  });
});

it("a whole allocation is shown, each task as an actor", async (context) => {
  const { server, record } = await startInspector();
  await record(idOf(1), life("ended").slice(0, 4));
  await record(idOf(1, "side"), life("killed"));
  await record(idOf(2), life("ended"));
  const allocation = idOf(1).split("/")[0];
  const { page } = await openLink(context, `${server.url}#/allocation/${allocation}`);
  const window = await openWindow(page, "Open, to replay");
  await page.getByRole("button", { name: "All" }).click();
  await expect
    .poll(async () => new Set((await received(window)).map(({ sessionId }) => sessionId)))
    .toEqual(new Set([idOf(1), idOf(1, "side")]));
  for (const { type, definition } of await received(window))
    if (type === "@xstate.actor") expect(definition).toBeDefined();
});

describe("the page says", () => {
  it("that the site does not answer, for lack of a connection", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), [event("requested")]);
    const page = await openPage(context, statelyPage(server.url, idOf(1)), {}, /ERR_NAME_NOT_RESOLVED/);
    await stand(page.context(), site, undefined);
    await page.clock.install();
    await openWindow(page, "Open, live");
    await page.getByText("Waiting for https://stately.ai to answer…").waitFor();
    await page.clock.fastForward(11_000);
    await page.getByText("has not answered. Without a connection to it").waitFor();
  });

  it("that the browser has opened no window", async (context) => {
    const { server } = await startInspector();
    const page = await openPage(context, statelyPage(server.url, idOf(1)));
    await page.evaluate("window.open = () => null");
    await page.getByRole("button", { name: "Open, live" }).click();
    await page.getByText("The browser opened no window").waitFor();
  });

  it("that it names no task", async (context) => {
    const { server } = await startInspector();
    const page = await openPage(context, new URL("/stately.html", server.url).href);
    await page.getByText("No task is named").waitFor();
  });
});

it("another site in the window gets nothing, whatever it says", async (context) => {
  const { server, record } = await startInspector();
  await record(idOf(1), life("ended").slice(0, 4));
  const { page } = await openLink(context, linkOf(server.url, idOf(1)));
  await stand(page.context(), "https://other.example", receiver);
  const window = await openWindow(page, "Open, live");
  await expect.poll(() => received(window)).toHaveLength(1);
  // As a link does it. It keeps the window's opener, whereas page.goto() makes a window without one.
  await window.evaluate("location.href = 'https://other.example/'");
  await window.waitForURL("https://other.example/");
  await window.evaluate("opener.postMessage({ type: '@statelyai.connected' }, '*')");
  await record(idOf(1), life("ended").slice(4));
  await expect.poll(() => status(page)).toContain("Events sent: 2.");
  expect(await received(window)).toEqual([]);
});
