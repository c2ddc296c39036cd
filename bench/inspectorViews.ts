/**
 * Measures the server's answers for pages of the inspector other than the list of tasks: lanes of an
 * allocation, a task's output, comparisons, and bundles. The baseline is a trivial request to the same
 * server.
 */

import { once } from "node:events";
import { createWriteStream, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { allocation, lifeFrom, recordAllocation, runOf } from "../test/support/history/allocation.ts";
import { event, life } from "../test/support/history/history.ts";
import type { Inspected } from "../test/support/screen/inspector.ts";
import { admission, get, idOf } from "../test/support/screen/inspector.ts";
import { printFigure, printTimes, timed, timesOf } from "./figures.ts";

const rounds = 15;
const failures = 480;
const commands = 10_000;
const logMiB = 100;

/** Measures the views. First records the tasks that they show. */
export async function benchViews(url: string, record: Inspected["record"]): Promise<void> {
  const folder = mkdtempSync("/var/tmp/exec2-bench-logs-");
  try {
    const client = await clientOf(url);
    const nothing = await client.times("/api/status");
    await benchLanes(client, record, nothing);
    await benchOutput(client, record, folder, nothing);
    await benchBundle(client, record, nothing);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Client {
  readonly ask: (path: string) => Promise<string>;
  /** Durations of answers, in milliseconds. */
  readonly times: (path: string) => Promise<number[]>;
  readonly upload: (text: string) => Promise<void>;
  readonly follow: (path: string, onData: (text: string) => void) => Promise<() => void>;
}

async function clientOf(url: string): Promise<Client> {
  const headers = admission(url);
  const ask = async (path: string) => {
    const { status, body } = await get(new URL(path, url).href, headers);
    if (status !== 200) throw new Error(`${path}: ${status} ${body}`);
    return body;
  };
  return {
    ask,
    times: (path) => timesOf(rounds, () => ask(path)),
    upload: async (text) => {
      const asked = request(new URL("/api/bundles?name=bench", url), {
        method: "POST",
        headers: { ...headers, origin: new URL(url).origin },
      }).end(text);
      const [response] = await once(asked, "response");
      if (response.statusCode !== 200) throw new Error(`the upload was refused: ${response.statusCode}`);
      response.resume();
    },
    follow: async (path, onData) => {
      const asked = request(new URL(path, url), { headers }).end();
      const [response] = await once(asked, "response");
      response.setEncoding("utf8").on("data", onData);
      return () => void asked.destroy();
    },
  };
}

async function untilListed(client: Client, id: string): Promise<void> {
  while (!(await client.ask("/api/tasks")).includes(id)) await delay(20);
}

async function benchLanes(client: Client, record: Inspected["record"], nothing: readonly number[]) {
  await recordAllocation(record, { begin: Date.now() - failures * 60_000, failures });
  await untilListed(client, runOf("web", failures + 2));
  const path = `/api/allocation?id=${allocation}`;
  const first = await timed(() => client.ask(path));
  printFigure(`${failures + 4} runs: their lanes, the first time`, `${first.toFixed(1)} ms`);
  printTimes(`${failures + 4} runs: their lanes, later`, await client.times(path), nothing);
  const [a, b] = [runOf("web", failures), runOf("web", failures + 1)].map(encodeURIComponent);
  printTimes("two runs compared", await client.times(`/api/diff?a=${a}&b=${b}`), nothing);
}

async function benchOutput(
  client: Client,
  record: Inspected["record"],
  allocDir: string,
  nothing: readonly number[],
) {
  const logs = join(allocDir, "alloc/logs");
  mkdirSync(logs, { recursive: true });
  const line = `${"a line of a log as programs write them, ".repeat(2)}\n`;
  const fileMiB = 10;
  for (let index = 0; index < logMiB / fileMiB; index++) {
    const file = createWriteStream(join(logs, `web.stderr.${index}`));
    file.end(line.repeat((fileMiB * 1024 * 1024) / line.length));
    await once(file, "close");
  }
  const id = idOf(999_001);
  const requested = {
    allocDir,
    stdoutPath: join(logs, ".web.stdout.fifo"),
    stderrPath: join(logs, ".web.stderr.fifo"),
  };
  await record(id, lifeFrom(Date.now(), [["requested", 0, requested]]));
  await untilListed(client, id);
  const query = `id=${encodeURIComponent(id)}&stream=stderr`;
  printTimes(`the end of ${logMiB} MiB of output`, await client.times(`/api/log?${query}`), nothing);
  const [search, wait] = await besides(client, () => client.ask(`/api/log/search?${query}&text=nowhere`));
  printFigure(
    `a search in ${logMiB} MiB of output`,
    `${search.toFixed(0)} ms, others wait ${wait.toFixed(0)} ms at most`,
  );
  const late: number[] = [];
  let seen: (() => void) | undefined;
  const end = JSON.parse(await client.ask(`/api/log?${query}`)).end;
  const stop = await client.follow(`/api/log/live?${query}&from=${end.index}:${end.offset}`, () => seen?.());
  await delay(200);
  for (let round = 0; round < 50; round++) {
    const came = new Promise<void>((resolve) => {
      seen = resolve;
    });
    late.push(
      await timed(async () => {
        await appendFile(join(logs, `web.stderr.${logMiB / fileMiB - 1}`), line);
        await came;
      }),
    );
  }
  stop();
  printTimes("a new line of output, until a client has it", late);
}

async function benchBundle(client: Client, record: Inspected["record"], nothing: readonly number[]) {
  const id = idOf(999_002);
  const checks = Array.from({ length: commands }, (_, exec) => [
    event("execStarted", { exec }),
    event("execExited", { exec }),
  ]);
  await record(id, [...life("ended").slice(0, 4), ...checks.flat()]);
  await untilListed(client, id);
  const query = `id=${encodeURIComponent(id)}`;
  const first = await timed(() => client.ask(`/api/allocation?id=${id.split("/")[0]}`));
  printFigure(`a history of ${commands} commands: its lane, the first time`, `${first.toFixed(0)} ms`);
  const text = await client.ask(`/api/bundle?${query}`);
  const [taken, wait] = await besides(client, () => client.upload(text));
  const mib = (text.length / 1024 / 1024).toFixed(0);
  printFigure(
    `a dropped bundle of ${mib} MiB`,
    `${taken.toFixed(0)} ms, others wait ${wait.toFixed(0)} ms at most`,
  );
  printTimes("an answer that costs nothing", nothing);
}

/** Measures an action's duration, and the longest wait of another client meanwhile. */
async function besides(client: Client, action: () => Promise<unknown>): Promise<[number, number]> {
  let isDone = false;
  let longest = 0;
  const others = (async () => {
    while (!isDone) longest = Math.max(longest, await timed(() => client.ask("/api/status")));
  })();
  const time = await timed(action);
  isDone = true;
  await others;
  return [time, longest];
}
