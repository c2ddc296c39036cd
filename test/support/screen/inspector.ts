/** An inspector with a log that the test can continue to write. */
import { once } from "node:events";
import { request } from "node:http";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { FleetSource } from "../../../src/inspector/server/fleetReading.ts";
import { InspectorServer } from "../../../src/inspector/server/server.ts";
import type { EventStore } from "../../../src/store/eventStore.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { type RecordEvents, recorderOf } from "../history/recorder.ts";
import { temporaryFolder } from "../host/temporaryFolder.ts";

export interface Inspected {
  readonly server: InspectorServer;
  readonly store: EventStore;
  /** The log's folder. */
  readonly log: string;
  /** Adds events to a task, as the driver does. */
  readonly record: RecordEvents;
  /** The API's answer to an admitted browser. */
  ask(path: string, headers?: Record<string, string>, method?: string): Promise<Reply>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** @param fleet a cluster that the inspector reads, too */
export async function startInspector(fleet?: FleetSource): Promise<Inspected> {
  process.setMaxListeners(0);
  const path = temporaryFolder();
  const log = join(path, "events");
  const store = await openEventStore(log);
  const server = await InspectorServer.start({ path, host: "127.0.0.1", port: 0, fleet });
  onTestFinished(async () => {
    await server.close();
    await store.close();
  });
  return {
    server,
    store,
    log,
    record: recorderOf(store),
    ask: (path, headers = {}, method) =>
      get(new URL(path, server.url).href, { ...admission(server.url), ...headers }, method),
  };
}

/** A task's id in Nomad's form. */
export function idOf(number: number, name = "web"): string {
  return `${String(number).padStart(8, "0")}-0000-4000-8000-000000000000/${name}/00000000`;
}

export async function get(url: string, headers: Record<string, string>, method = "GET"): Promise<Reply> {
  const asked = request(url, { headers, method, agent: false }).end();
  const [response] = await once(asked, "response");
  let body = "";
  for await (const chunk of response.setEncoding("utf8")) body += chunk;
  return { status: response.statusCode, headers: response.headers, body };
}

/** The header that admits a client with the printed address. */
export function admission(url: string): { readonly authorization: string } {
  return { authorization: `Bearer ${new URL(url).searchParams.get("token")}` };
}
