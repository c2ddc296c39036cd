/**
 * Measures the page over a slow line: the time until the first rows are shown, and the bytes that come until
 * all rows are there. `node bench/slowLine.ts [tasks] [bytes per second]`, after `npm run build`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { InspectorServer } from "../src/inspector/server/server.ts";
import { openEventStore } from "../src/store/lmdb/lmdbEventStore.ts";
import { allLives, life } from "../test/support/history/history.ts";
import { recorderOf } from "../test/support/history/recorder.ts";
import { launchBrowser, missingBrowser } from "../test/support/screen/browser.ts";
import { admission, get, idOf } from "../test/support/screen/inspector.ts";
import { printFigure, printTimes } from "./figures.ts";

const tasks = Number(process.argv[2] ?? 10_000);
const bytesPerSecond = Number(process.argv[3] ?? 50_000);
const rounds = 5;
const path = mkdtempSync("/var/lib/exec2-bench-");
const store = await openEventStore(join(path, "events"));
const record = recorderOf(store);
for (let number = 1; number <= tasks; number++) {
  await record(idOf(number, `task${number}`), life(allLives[number % allLives.length] ?? "ended"));
}
const server = await InspectorServer.start({ path, host: "127.0.0.1", port: 0 });
const browser = await launchBrowser();
try {
  const rows = async () =>
    (JSON.parse((await get(new URL("/api/tasks", server.url).href, admission(server.url))).body) as unknown[])
      .length;
  while ((await rows()) < tasks) await delay(100);
  if (browser === undefined) console.error(`NOT MEASURED in a browser: ${missingBrowser}`);
  const first: number[] = [];
  let [received, all] = [0, 0];
  for (let round = 0; round < rounds && browser !== undefined; round++) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", {
      offline: false,
      latency: 0,
      downloadThroughput: bytesPerSecond,
      uploadThroughput: bytesPerSecond,
    });
    received = 0;
    session.on("Network.dataReceived", ({ encodedDataLength }) => {
      received += encodedDataLength;
    });
    const begin = performance.now();
    await page.goto(server.url, { waitUntil: "commit" });
    await page.locator(".row").first().waitFor();
    first.push(performance.now() - begin);
    await page.getByText(`of ${tasks.toLocaleString("en")}`).waitFor({ timeout: 300_000 });
    all = performance.now() - begin;
    await context.close();
  }
  const name = `${tasks} tasks at ${bytesPerSecond / 1000} kB/s`;
  printTimes(`${name}: the first rows are shown`, first);
  printFigure(
    `${name}: all rows are there`,
    `${(all / 1000).toFixed(1)} s, ${(received / 1000).toFixed(0)} kB`,
  );
} finally {
  await browser?.close();
  await server.close();
  await store.close();
  rmSync(path, { recursive: true });
}
