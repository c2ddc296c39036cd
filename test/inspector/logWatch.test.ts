/** Changes of logs and plugins that the inspector notices by itself. */
import { once } from "node:events";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { LogWatch } from "../../src/inspector/server/logWatch.ts";
import { InspectorServer } from "../../src/inspector/server/server.ts";
import type { LiveMessage, Status } from "../../src/inspector/views/answers.ts";
import { openEventStore } from "../../src/store/lmdb/lmdbEventStore.ts";
import { life } from "../support/history/history.ts";
import { recorderOf } from "../support/history/recorder.ts";
import { eventually } from "../support/host/eventually.ts";
import { LineProcess } from "../support/host/lineProcess.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { admission, idOf } from "../support/screen/inspector.ts";

/** Starts an inspector. @returns a function for the newest status that the inspector has sent to a page */
async function watching(path: string): Promise<() => Status> {
  process.setMaxListeners(0);
  const server = await InspectorServer.start({ path, host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close());
  const headers = admission(server.url);
  const request = get(new URL("/api/live", server.url), { headers, agent: false });
  const [response] = await once(request, "response");
  let status: Status | undefined;
  let rest = "";
  response.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.filter((each) => each.startsWith("data: "))) {
      const message = JSON.parse(line.slice("data: ".length)) as LiveMessage;
      if (message.kind === "status") status = message.status;
    }
  });
  response.on("error", () => undefined);
  return () => status as Status;
}

/** The kinds of problems; the text says what could not be read. */
const kinds = ({ problems }: Status) =>
  problems.map(({ kind, text }) => (kind === "unreadable" ? text : kind));

async function write(log: string, count: number): Promise<void> {
  const store = await openEventStore(log);
  const record = recorderOf(store);
  for (let number = 1; number <= count; number++) await record(idOf(number), life("ended").slice(0, 4));
  await store.close();
}

describe("the inspector", () => {
  it("notices a new log, even in a new folder", async () => {
    const path = join(temporaryFolder(), "a/b/state");
    const status = await watching(path);
    await eventually(() => expect(kinds(status())).toEqual(["missing"]));
    mkdirSync(path, { recursive: true });
    await write(join(path, "local/3/events"), 1);
    await eventually(() => expect(kinds(status())).toEqual(["pluginGone"]));
    expect(status().ready).toBe(true);
  });

  it("notices a new log in a folder that exists already", async () => {
    const path = temporaryFolder();
    mkdirSync(join(path, "events"));
    const status = await watching(path);
    await eventually(() => expect(kinds(status())).toEqual(["missing"]));
    await write(join(path, "events"), 1);
    await eventually(() => expect(kinds(status())).toEqual(["pluginGone"]));
  });

  it("notices a replaced log and a removed one", async () => {
    const path = temporaryFolder();
    const log = join(path, "events");
    await write(log, 1);
    const status = await watching(path);
    await eventually(() => expect(status().ready).toBe(true));
    mkdirSync(join(path, "local"));
    await write(join(path, "local/1/events"), 2);
    renameSync(log, `${log}.damaged-1`);
    renameSync(join(path, "local/1/events"), log);
    await eventually(() => expect(kinds(status())).toEqual(["pluginGone"]));
    rmSync(log, { recursive: true });
    await eventually(() => expect(kinds(status())).toEqual(["missing"]));
  });

  it("notices the start of a plugin, and that it was killed", async () => {
    const path = temporaryFolder();
    await write(join(path, "events"), 1);
    const status = await watching(path);
    await eventually(() => expect(kinds(status())).toEqual(["pluginGone"]));
    const plugin = new LineProcess("ownStateFolder", path);
    await plugin.written(1);
    await eventually(() => expect(status()).toMatchObject({ problems: [], plugins: [plugin.child.pid] }));
    await plugin.kill();
    await eventually(() => expect(kinds(status())).toEqual(["pluginGone"]));
  });

  it("reads nothing while nothing changes", async () => {
    const path = temporaryFolder();
    await write(join(path, "events"), 1);
    const status = await watching(path);
    await eventually(() => expect(status().ready).toBe(true));
    // After this time the inspector has handled all earlier wake-ups.
    await delay(1_500);
    const look = vi.spyOn(LogWatch.prototype, "look");
    onTestFinished(() => look.mockRestore());
    await delay(2_500);
    expect(look).not.toHaveBeenCalled();
  });
});
