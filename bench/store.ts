/**
 * Measures the event log, empty and full: single appends, appends of many tasks at once, reads with checked
 * hashes, the delay until another process sees an event, and removal of old streams. The baseline is lmdb's
 * own awaited put in the same run. `node bench/store.ts [events in the full log] [folder]`: ten million
 * events take some 6 GiB and several minutes.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { open } from "lmdb";
import type { EventStore, EventToAppend, StreamHead } from "../src/store/eventStore.ts";
import { logFiles } from "../src/store/folder/logFolders.ts";
import { follow } from "../src/store/follow.ts";
import { folderChanges, openEventReader } from "../src/store/lmdb/eventReader.ts";
import { openEventStore } from "../src/store/lmdb/lmdbEventStore.ts";
import { findPageDefect } from "../src/store/lmdb/pageCheck.ts";
import { findDefect } from "../test/support/history/findDefect.ts";
import { numberedId } from "../test/support/history/history.ts";
import { printFigure, printTimes, timed, timesOf } from "./figures.ts";

const full = Number(process.argv[2] ?? 1_000_000);
const eventsOfATask = 10;
let tasks = 0;

if (process.send === undefined) {
  const folder = mkdtempSync(join(process.argv[3] ?? "/var/lib", "exec2-bench-"));
  try {
    await benchBaseline(join(folder, "baseline"));
    await benchLog(join(folder, "log"));
  } finally {
    rmSync(folder, { recursive: true });
  }
} else {
  await reportLags(process.argv[3] as string, process.send.bind(process));
}

async function benchBaseline(folder: string): Promise<void> {
  const database = open<Buffer, number>({ path: folder, encoding: "binary" });
  const value = Buffer.alloc(330);
  printTimes("baseline: an awaited put of lmdb", await timesOf(1000, (round) => database.put(round, value)));
  await database.close();
}

async function benchLog(folder: string): Promise<void> {
  const store = await openEventStore(folder);
  await fill(store, 10);
  await benchAppends(store, "10 events stored");
  await fill(store, full);
  await benchAppends(store, `${store.lastPosition()} events stored`);
  await benchReads(store);
  await benchLags(store, folder);
  await benchPruning(store);
  await store.close();
  printTimes(
    "open a log of that size and close it",
    await timesOf(20, async () => (await openEventStore(folder)).close()),
  );
  printTimes(
    "check the pages of that log, as after an unclean end",
    await timesOf(3, () => checkPages(folder)),
  );
  printFigure("size of that log", `${Math.round(statSync(logFiles(folder).data).size / 2 ** 20)} MiB`);
}

async function checkPages(folder: string): Promise<void> {
  const defect = await findPageDefect(logFiles(folder).data);
  if (defect !== undefined) throw new Error(defect.what);
}

/**
 * Measures the removal of streams of 10 events and of a stream of 10,000 events, and the turns of the event
 * loop during the removals.
 */
async function benchPruning(store: EventStore): Promise<void> {
  const long = newTask();
  await store.append(long, 0, Array.from({ length: 10_000 }, event));
  await store.append(newTask(), 0, [event()]);
  await store.flushed();
  const oldest = [...take(store.streamsByAge(), 1000)];
  // Ends the current turn, which must not be counted.
  await delay(10);
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  printTimes(
    "remove one of the oldest streams",
    await timesOf(oldest.length, (round) => {
      const { stream, version } = oldest[round] as StreamHead;
      return store.prune(stream, version);
    }),
  );
  printTimes("remove a stream of 10,000 events", await timesOf(1, () => store.prune(long, 10_000)));
  delays.disable();
  const held = [delays.percentile(50), delays.percentile(99), delays.max].map((ns) => (ns / 1e6).toFixed(1));
  printFigure("turns of the event loop meanwhile: p50, p99, max", `${held.join(" ")} ms`);
}

function* take<T>(items: Iterable<T>, count: number): Iterable<T> {
  let taken = 0;
  for (const item of items) {
    if (taken === count) return;
    taken += 1;
    yield item;
  }
}

async function benchAppends(store: EventStore, state: string): Promise<void> {
  await store.flushed();
  const alone = newTask();
  printTimes(
    `${state}: an append after another`,
    await timesOf(1000, (round) => store.append(alone, round, [event()])),
  );
  const paused: number[] = [];
  for (let round = 0; round < 100; round++) {
    const task = newTask();
    paused.push(await timed(() => startOfTask(store, task)));
    await delay(10);
  }
  printTimes(`${state}: a start's 4 appends, 10 ms apart`, paused);
  for (const tasks of [10, 100, 1000]) {
    const begin = performance.now();
    let appended = 0;
    await Promise.all(
      Array.from({ length: tasks }, async () => {
        const task = newTask();
        while (performance.now() - begin < 1000) {
          await store.append(task, store.version(task), [event()]);
          appended += 1;
        }
      }),
    );
    const seconds = (performance.now() - begin) / 1000;
    printFigure(`${state}: ${tasks} tasks at once`, `${Math.round(appended / seconds)} events/s`);
  }
}

async function benchReads(store: EventStore): Promise<void> {
  const perSecond = (events: number, begin: number) =>
    `${Math.round((events * 1000) / (performance.now() - begin))} events/s`;
  let begin = performance.now();
  let events = 0;
  for (const _ of store.readAll()) events += 1;
  printFigure("read all, every event's hashes checked", perSecond(events, begin));
  begin = performance.now();
  events = 0;
  for (const head of store.streams()) {
    const defect = findDefect(store.readRecords(head.stream), head);
    if (defect !== undefined) throw new Error(`${head.stream}: ${JSON.stringify(defect)}`);
    events += head.version;
  }
  printFigure("verify all streams, chains included", perSecond(events, begin));
}

/**
 * Measures delays between processes: events carry the time at which their append began, and the reader's
 * process reports how much later it got them.
 */
async function benchLags(store: EventStore, folder: string): Promise<void> {
  const reader = fork(import.meta.filename, [String(store.lastPosition() + 1), folder]);
  await once(reader, "message");
  const lags: number[] = [];
  reader.on("message", (lag) => lags.push(lag as number));
  const task = newTask();
  for (let round = 0; round < 500; round++) {
    await store.append(task, round, [event()]);
    await delay(2);
  }
  reader.disconnect();
  await once(reader, "exit");
  printTimes("append to another process's follower", lags);
}

async function reportLags(folder: string, send: (message: number) => unknown): Promise<void> {
  const reader = await openEventReader(folder);
  follow(reader, folderChanges(folder), Number(process.argv[2])).subscribe(({ time }) => send(now() - time));
  send(0);
  process.on("disconnect", () => void reader.close());
}

async function fill(store: EventStore, count: number): Promise<void> {
  while (store.lastPosition() < count) {
    const tasks = Array.from(
      { length: Math.min(500, Math.ceil((count - store.lastPosition()) / eventsOfATask)) },
      newTask,
    );
    for (let seq = 0; seq < eventsOfATask; seq++) {
      await Promise.all(tasks.map((task) => store.append(task, seq, [event()])));
    }
  }
}

async function startOfTask(store: EventStore, task: string): Promise<void> {
  for (let seq = 0; seq < 4; seq++) await store.append(task, seq, [event()]);
}

function newTask(): string {
  tasks += 1;
  return numberedId(tasks);
}

function event(): EventToAppend {
  const identity = { pid: 4711, startTicks: 123_456 };
  const data = { init: identity, task: identity, bootId: "6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20" };
  return {
    type: "started",
    schema: 1,
    time: now(),
    data,
    from: "sandboxed",
    to: "running",
    effects: ["watchExit"],
  };
}

/** Wall clock in milliseconds with fractions, comparable between processes. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
