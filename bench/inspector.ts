/**
 * Measures the inspector in a browser: the time until its page is ready, and the delay until an event is on
 * the page. The baselines are a picture from the same server, and a client that draws nothing. Then measures
 * a history of tens of thousands of events, and tens of thousands of tasks: memory, CPU at rest, and the
 * delay of an answer while a client of `--stately` receives everything.
 *
 * After `npm run build`: `node bench/inspector.ts [tasks] [many tasks] [events] [all tasks]`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { get as httpGet } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { WebSocket } from "ws";
import { idleMemoryMs } from "../src/effects/processes/idleMemory.ts";
import { openEventStore } from "../src/store/lmdb/lmdbEventStore.ts";
import { allLives, event, life } from "../test/support/history/history.ts";
import { recorderOf } from "../test/support/history/recorder.ts";
import { launchBrowser, missingBrowser } from "../test/support/screen/browser.ts";
import { admission, get, idOf } from "../test/support/screen/inspector.ts";
import { cpuOver, formatMib, printFigure, printTimes, pssOf, timed, timesOf } from "./figures.ts";
import { benchViews } from "./inspectorViews.ts";

/**
 * Runs in the page. When the last row is counted and the first rows are painted, sets `readyAt` to the
 * milliseconds since the navigation began.
 */
const recordReadyTime = `
  globalThis.rowsSeen = 0;
  new MutationObserver(() => {
    const text = document.querySelector(".count")?.textContent ?? "";
    const count = Number(/of ([\\d,]+)$/.exec(text)?.[1]?.replaceAll(",", "") ?? 0);
    if (count === globalThis.rowsSeen || document.querySelector(".row") === null) return;
    globalThis.rowsSeen = count;
    globalThis.readyAt = undefined;
    requestAnimationFrame(() => setTimeout(() => { globalThis.readyAt = performance.now(); }));
  }).observe(document, { subtree: true, childList: true, characterData: true });
`;

/** Runs in the page: records when each task's row was painted, in milliseconds since the epoch. */
const recordSeenTimes = `
  globalThis.seenAt = {};
  new MutationObserver(() => {
    const names = [...document.querySelectorAll(".row a")].map(({ textContent }) => textContent);
    requestAnimationFrame(() => setTimeout(() => {
      for (const name of names) globalThis.seenAt[name] ??= Date.now();
    }));
  }).observe(document, { subtree: true, childList: true, characterData: true });
`;

/** Runs in the page: reads the number of the last step from the bar. */
const stepsShown = `Number(document.querySelector(".bar")?.getAttribute("aria-valuemax") ?? -1)`;

const counts = [Number(process.argv[2] ?? 200), Number(process.argv[3] ?? 2_000)];
const [manyEvents, allTasks] = [Number(process.argv[4] ?? 50_000), Number(process.argv[5] ?? 26_000)];
const rounds = 15;
const root = join(import.meta.dirname, "..");
const stateDir = mkdtempSync("/var/lib/exec2-bench-");
const store = await openEventStore(join(stateDir, "events"));
const record = recorderOf(store);
let tasks = 0;
/** The task with a long history. */
const longId = idOf(99_999_999, "long");

printFigure("the page's files, gzipped", `${(bundleBytes() / 1000).toFixed(1)} kB`);
const browser = await launchBrowser();
const inspector = spawn(
  join(root, "dist/plugin/nomad-driver-exec2"),
  ["inspect", "--port", "0", "--state-dir", stateDir, "--stately"],
  { stdio: ["ignore", "pipe", "inherit"] },
);
try {
  const [url, stately] = await addressesOf(inspector.stdout);
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
  await addLongHistory();
  if (browser !== undefined) await benchLongHistory(browser, url);
  while (tasks < allTasks) await addTask();
  await benchManyTasks(url, stately);
} finally {
  await browser?.close();
  inspector.kill("SIGINT");
  await store.close();
  rmSync(stateDir, { recursive: true });
}

/** The address of the page, and the address for clients of Stately's inspector. */
async function addressesOf(output: NodeJS.ReadableStream): Promise<[url: string, stately: string]> {
  let printed = "";
  for await (const text of output) {
    printed += String(text);
    const [url] = /http:\S+/.exec(printed) ?? [];
    const [stately] = /ws:\S+/.exec(printed) ?? [];
    if (url !== undefined && stately !== undefined) return [url, stately];
  }
  throw new Error(`the inspector ended: ${printed}`);
}

async function addLongHistory(): Promise<void> {
  await record(longId, life("ended").slice(0, 4));
  for (let exec = 1; exec <= manyEvents / 2; exec++) await addCheck(exec);
}

function addCheck(exec: number): Promise<void> {
  return record(longId, [event("execStarted", { exec }), event("execExited", { exec })]);
}

/**
 * Measures the page of a task with a long history: the time until its steps are painted, the delay of an
 * event, and the heap.
 */
async function benchLongHistory(browser: Browser, url: string): Promise<void> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  const address = new URL(`/#/task/${encodeURIComponent(longId)}`, url).href;
  const count = () => answer(page, stepsShown);
  while ((await count()) !== 4 + manyEvents) {
    await page.goto(address);
    await delay(200);
  }
  const picture: number[] = [];
  const ready: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await page.goto(new URL("/icon.svg", url).href);
    picture.push(await loadEnd(page));
    await page.goto(address);
    ready.push(await answer(page, `(${stepsShown}) === ${4 + manyEvents} && globalThis.performance.now()`));
  }
  printTimes(`a history of ${manyEvents} events: its steps are shown`, ready, picture);
  const late: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    await addCheck(manyEvents + round);
    const committed = performance.now();
    await answer(page, `(${stepsShown}) === ${4 + manyEvents + 2 * round} && 1`);
    late.push(performance.now() - committed);
    await delay(50);
  }
  printTimes(`a history of ${manyEvents} events: an event on the page`, late);
  const session = await context.newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  printFigure(`a history of ${manyEvents} events: the page's heap`, formatMib(usedSize / 1024));
  printFigure(
    `a history of ${manyEvents} events: the inspector's memory while it is shown`,
    formatMib(pssOf(inspector.pid ?? 0)),
  );
  await context.close();
}

async function benchManyTasks(url: string, stately: string): Promise<void> {
  const headers = admission(url);
  const ask = () => get(new URL("/api/status", url).href, headers);
  const pid = inspector.pid ?? 0;
  // Waits until the inspector is idle and has returned unused memory.
  await delay(3 * idleMemoryMs);
  printFigure(`${allTasks} tasks: the inspector's memory`, formatMib(pssOf(pid)));
  printFigure(
    `${allTasks} tasks: its CPU at rest`,
    `${(100 * (await cpuOver(pid, 10))).toFixed(2)} % of a core`,
  );
  const alone = await timesOf(50, ask);
  const client = new WebSocket(`${stately}&history`);
  await once(client, "open");
  const beside: number[] = [];
  for (let round = 0; round < 100; round++) {
    beside.push(await timed(ask));
    await delay(20);
  }
  client.terminate();
  printTimes(`${allTasks} tasks: an answer`, alone);
  printTimes(`${allTasks} tasks: an answer beside a client of --stately`, beside, alone);
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
  await page.addInitScript({ content: recordReadyTime });
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
  printTimes(`${count} tasks: from its load event until then`, afterLoad);
}

/**
 * Evaluates an expression repeatedly until its value is a number. The page's policy allows no foreign script
 * that could wait inside the page.
 */
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
  /** Resolves with the time at which the client has learned of the task, in milliseconds since the epoch. */
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
    // A random delay, so that events are not synchronous with the page's frames.
    await delay(20 + Math.random() * 40);
  }
  await client.close();
  printTimes(name, late);
}

async function plainClient(url: string): Promise<Client> {
  const headers = admission(url);
  const request = httpGet(new URL("/api/live", url), { headers });
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
  await page.addInitScript({ content: recordSeenTimes });
  await page.goto(url);
  await page.locator(".row").first().waitFor();
  await delay(500);
  return {
    seen: (task) => answer(page, `globalThis.seenAt[${JSON.stringify(task)}]`),
    close: () => page.close(),
  };
}
