/** Clients that stop reading cost the server a limited amount of memory, and do not affect other clients. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import type { StatelyMessage } from "../../src/inspector/stately/messages.ts";
import type { LiveMessage } from "../../src/inspector/views/answers.ts";
import { event, life } from "../support/history/history.ts";
import { eventually } from "../support/host/eventually.ts";
import { admission, type Inspected, idOf, startInspector } from "../support/screen/inspector.ts";

/**
 * The maximum number of bytes that the server may buffer for one reader: a partly sent message, and the data
 * that Node has not sent yet.
 */
const most = 1_000_000;
const begun = life("recovered").slice(0, 4);

/** The server's socket of the next connection. */
async function nextConnection(make: () => void): Promise<Socket> {
  const accepted = new Promise<Socket>((resolve) => {
    const note = (message: unknown) => resolve((message as { readonly socket: Socket }).socket);
    subscribe("net.server.socket", note);
    onTestFinished(() => void unsubscribe("net.server.socket", note));
  });
  make();
  return accepted;
}

interface Burst {
  readonly ids: readonly string[];
  /** The number of events of each task afterwards. */
  readonly each: number;
  /** The maximum number of bytes that the server has buffered for the reader. */
  readonly held: number;
}

/** Records tens of thousands of events, until the kernel's buffers for the reader are full. */
async function burst({ record }: Inspected, reader: Socket, least: number): Promise<Burst> {
  const ids = Array.from({ length: 200 }, (_, number) => idOf(number));
  for (const id of ids) await record(id, begun);
  let [each, held, stuck] = [begun.length, 0, 0];
  while (each < least || (stuck < 10 && each < 500)) {
    for (const id of ids) await record(id, [event("recovered")]);
    each += 1;
    stuck = reader.writableLength > 0 ? stuck + 1 : 0;
    held = Math.max(held, reader.writableLength);
  }
  expect(stuck).toBeGreaterThanOrEqual(10);
  return { ids, each, held };
}

describe("a page that reads nothing", () => {
  it("delays no other client, and once it reads again, gets the present state of the tasks that changed", async () => {
    const inspected = await startInspector();
    const { server, record, ask } = inspected;
    const { host, hostname, port } = new URL(server.url);
    const headers = admission(server.url);
    const socket = new Socket().pause();
    onTestFinished(() => void socket.destroy());
    const reader = await nextConnection(() => {
      // An HTTP/1.0 answer has no chunk headers between the messages.
      socket.connect(Number(port), hostname);
      socket.write(
        `GET /api/live HTTP/1.0\r\nHost: ${host}\r\nAuthorization: ${headers.authorization}\r\n\r\n`,
      );
    });
    const { ids, each, held } = await burst(inspected, reader, 50);
    expect(held).toBeLessThan(most);
    expect(JSON.parse((await ask("/api/tasks")).body)).toHaveLength(ids.length);

    await record(idOf(999), [event("requested")]);
    const told = new Map<string, number>();
    let rest = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      const parts = (rest + chunk).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts.filter((text) => text.startsWith("data: "))) {
        const message = JSON.parse(part.slice(6)) as LiveMessage;
        if (message.kind === "rows") for (const row of message.rows) told.set(row.id, row.events);
      }
    });
    socket.resume();
    await eventually(() => {
      expect(ids.filter((id) => told.get(id) !== each)).toEqual([]);
      expect(told.get(idOf(999))).toBe(1);
    });
  }, 300_000);
});

describe("a client of the relay that reads nothing", () => {
  it("delays no other client, and once it reads again, gets every event in order", async () => {
    const inspected = await startInspector();
    const address = await inspected.server.relay();
    let client: WebSocket | undefined;
    const reader = await nextConnection(() => {
      client = new WebSocket(`${address}&history`);
    });
    if (client === undefined) return expect.fail("no client");
    onTestFinished(() => client?.terminate());
    await once(client, "open");
    client.pause();
    const { ids, each, held } = await burst(inspected, reader, 50);
    expect(held).toBeLessThan(most);
    expect(JSON.parse((await inspected.ask("/api/tasks")).body)).toHaveLength(ids.length);

    const told = new Map<string, number>();
    client.on("message", (data) => {
      const { type, sessionId } = JSON.parse(String(data)) as StatelyMessage;
      if (type === "@xstate.event") told.set(sessionId, (told.get(sessionId) ?? 0) + 1);
    });
    client.resume();
    await eventually(() => expect(ids.filter((id) => told.get(id) !== each)).toEqual([]));
  }, 300_000);
});
