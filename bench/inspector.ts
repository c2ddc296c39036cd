/**
 * The inspector in a browser: the time until its page is ready, and the delay until an event
 * is on it, compared with what the same server needs for a picture and for a client that
 * draws nothing. Another process writes the log, as on a node.
 * After `npm run build`: `node bench/inspector.ts [tasks] [many tasks]`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { get as httpGet } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { BrowserContext, Page } from "playwright-core";
import { openEventStore } from "../src/store/lmdb/lmdbEventStore.ts";
import { allLives, life } from "../test/support/agent/lives.ts";
import { event } from "../test/support/history/history.ts";
import { launchBrowser, missingBrowser } from "../test/support/screen/browser.ts";
import { cookieFrom, get, idOf, recorderOf } from "../test/support/screen/inspector.ts";
import { benchViews } from "./inspectorViews.ts";
import { printFigure, printTimes } from "./statistics.ts";

/**
 * Runs in the page. Sets `readyAt` when the last row is counted and the first ones are painted: milliseconds
 * after the navigation began.
 */
const tellWhenReady = `
  globalThis.rowsSeen = 0;
  new MutationObserver(() => {
    const count = Number(/of (\\d+)$/.exec(document.querySelector(".count")?.textContent ?? "")?.[1] ?? 0);
    if (count === globalThis.rowsSeen || document.querySelector(".row") === null) return;
    globalThis.rowsSeen = count;
    globalThis.readyAt = undefined;
    requestAnimationFrame(() => setTimeout(() => { globalThis.readyAt = performance.now(); }));
  }).observe(document, { subtree: true, childList: true, characterData: true });
`;

/** Runs in the page: when each task's row was painted, milliseconds since the epoch. */
const tellWhenSeen = `
  globalThis.seenAt = {};
  new MutationObserver(() => {
    const names = [...document.querySelectorAll(".row a")].map(({ textContent }) => textContent);
    requestAnimationFrame(() => setTimeout(() => {
      for (const name of names) globalThis.seenAt[name] ??= Date.now();
    }));
  }).observe(document, { subtree: true, childList: true, characterData: true });
`;

const counts = [Number(process.argv[2] ?? 200), Number(process.argv[3] ?? 2_000)];
const rounds = 15;
const root = join(import.meta.dirname, "..");
const stateDir = mkdtempSync("/var/lib/exec2-bench-");
const store = await openEventStore(join(stateDir, "events"));
const record = recorderOf(store);
let tasks = 0;

printFigure("the page's files, gzipped", `${(bundleBytes() / 1000).toFixed(1)} kB`);
const browser = await launchBrowser();
const inspector = spawn(
  join(root, "dist/plugin/nomad-driver-exec2"),
  ["inspect", "--port", "0", "--state-dir", stateDir],
  { stdio: ["ignore", "pipe", "inherit"] },
);
try {
  const [printed] = await once(inspector.stdout, "data");
  const url = String(printed).trim();
  if (browser === undefined) console.error(`NOT MEASURED in a browser: ${missingBrowser}`);
  for (const count of counts) {
    while (tasks < count) await addTask();
    await benchLate(`${count} tasks: an event at a client without a page`, await plainClient(url));
    if (browser === undefined) continue;
    const context = await browser.newContext();
    await benchReady(context, url, count);
    await benchLate(`${count} tasks: an event on the page`, await pageClient(context, url));
    await context.close();
  }
  await benchViews(url, record);
} finally {
  await browser?.close();
  inspector.kill("SIGINT");
  await store.close();
  rmSync(stateDir, { recursive: true });
}

async function addTask(): Promise<string> {
  const id = idOf(++tasks, `task${tasks}`);
  await record(id, life(allLives[tasks % allLives.length] ?? "ended"));
  return id;
}

function bundleBytes(): number {
  const folder = join(root, "dist/inspector");
  const sizes = readdirSync(folder).map((name) => gzipSync(readFileSync(join(folder, name))).length);
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Reports the whole navigation, for which a person waits, and the part after the load event. */
async function benchReady(context: BrowserContext, url: string, count: number): Promise<void> {
  const page = await context.newPage();
  await page.addInitScript({ content: tellWhenReady });
  await page.goto(url);
  const picture: number[] = [];
  const ready: number[] = [];
  const afterLoad: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await page.goto(new URL("/icon.svg", url).href);
    picture.push(await loadEnd(page));
    await page.goto(new URL("/", url).href);
    const readyAt = await answer(page, `globalThis.rowsSeen === ${tasks} && globalThis.readyAt`);
    ready.push(readyAt);
    afterLoad.push(Math.max(0, readyAt - (await loadEnd(page))));
  }
  await page.close();
  printTimes(`${count} tasks: a picture of the same server`, picture);
  printTimes(`${count} tasks: the page is ready`, ready, picture);
  printTimes(`${count} tasks: so long after its load`, afterLoad);
}

/** The page's policy lets no script of others wait in it: it is asked until it knows. */
async function answer(page: Page, expression: string): Promise<number> {
  for (;;) {
    const number: unknown = await page.evaluate(expression);
    if (typeof number === "number") return number;
    await delay(20);
  }
}

function loadEnd(page: Page): Promise<number> {
  return page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd");
}

/** A client that follows the inspector. */
interface Client {
  /** Resolves with the time at which the client knows the task, in milliseconds since the epoch. */
  seen(task: string): Promise<number>;
  close(): Promise<void>;
}

async function benchLate(name: string, client: Client): Promise<void> {
  const late: number[] = [];
  for (let round = 0; round < 50; round++) {
    const id = idOf(++tasks, `task${tasks}`);
    const seen = client.seen(`task${tasks}`);
    await record(id, [event("requested")]);
    const committed = Date.now();
    late.push((await seen) - committed);
    // Out of step with the page's frames.
    await delay(20 + Math.random() * 40);
  }
  await client.close();
  printTimes(name, late);
}

async function plainClient(url: string): Promise<Client> {
  const cookie = cookieFrom(await get(url, {}));
  const request = httpGet(new URL("/api/live", url), { headers: { cookie } });
  const [response] = await once(request, "response");
  let wanted: { readonly text: string; readonly found: (time: number) => void } | undefined;
  response.setEncoding("utf8").on("data", (text: string) => {
    if (wanted !== undefined && text.includes(wanted.text)) wanted.found(Date.now());
  });
  await delay(500);
  return {
    seen: (task) =>
      new Promise((found) => {
        wanted = { text: `"task":"${task}"`, found };
      }),
    close: async () => void request.destroy(),
  };
}

async function pageClient(context: BrowserContext, url: string): Promise<Client> {
  const page = await context.newPage();
  await page.addInitScript({ content: tellWhenSeen });
  await page.goto(url);
  await page.locator(".row").first().waitFor();
  await delay(500);
  return {
    seen: (task) => answer(page, `globalThis.seenAt[${JSON.stringify(task)}]`),
    close: () => page.close(),
  };
}
