/**
 * The tasks of this host for clients of `@statelyai/inspect`: each is an actor.
 * Whoever connects is told of all actors as they are now, then of every event
 * and every state that it leads to. What a client has not been told yet is read
 * from the log when it is ready for more, so a slow one loses nothing and costs
 * no memory.
 */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { taskName } from "../../replay/chooseTask.ts";
import type { History } from "../../replay/history.ts";
import { type Access, targetOf } from "../server/access.ts";
import type { TaskIndex } from "../server/taskIndex.ts";
import { actorMessage, eventMessage, type StatelyMessage, snapshotMessage } from "./messages.ts";

const maxClients = 8;
/** A client that takes nothing for so long is given up. */
const stuckAfterMs = 30_000;
const path = "/stately";

/** Serves the WebSocket below the server's `/stately`. @returns ends all connections */
export function relayTasks(http: Server, access: Access, book: TaskIndex): () => void {
  // Clients have nothing to say here.
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1_024 });
  http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Who is refused may hang up before it has heard that.
    socket.on("error", () => socket.destroy());
    const target = targetOf(request.url);
    const admitted = target?.pathname === path && access.admitsClient(request);
    if (!admitted || sockets.clients.size >= maxClients) {
      socket.end(`HTTP/1.1 ${admitted ? "503 Service Unavailable" : "403 Forbidden"}\r\n\r\n`);
      return;
    }
    const withHistory = target.searchParams.has("history");
    sockets.handleUpgrade(request, socket, head, (client) => follow(client, book, withHistory));
  });
  return () => {
    for (const client of sockets.clients) client.terminate();
    sockets.close();
  };
}

/** The path and query of the relay's address. */
export function relayPath(token: string): string {
  return `${path}?token=${token}`;
}

function follow(client: WebSocket, book: TaskIndex, withHistory: boolean): void {
  /** Numbers of the last events that were told. */
  const told = new Map<string, number>();
  const untold = new Set(book.ids());
  let telling = false;
  const tell = async () => {
    if (telling) return;
    telling = true;
    for (const id of untold) {
      if (client.readyState !== client.OPEN) break;
      untold.delete(id);
      const history = book.history(id);
      if (history === undefined || history.length === 0) told.delete(id);
      else {
        for (const message of newsOf(history, told.get(id), withHistory)) await send(client, message);
        told.set(id, history.length);
      }
    }
    telling = false;
  };
  const changes = book.changes.subscribe((id) => {
    untold.add(id);
    setImmediate(() => void tell());
  });
  client.on("close", () => changes.unsubscribe());
  client.on("error", () => client.terminate());
  void tell();
}

/** @param told undefined: the actor is still to be registered */
function* newsOf(history: History, told: number | undefined, withHistory: boolean): Iterable<StatelyMessage> {
  const { stream, length, events } = history;
  if (told === undefined) {
    const name = `${taskName(stream)} ${stream.slice(0, 8)}`;
    const subject = { sessionId: stream, time: events[0]?.time ?? 0 };
    yield actorMessage(subject, name, history.stateAfter(length));
  }
  const from = told ?? (withHistory ? 0 : length);
  for (const { stored, after } of history.moments(from + 1)) {
    const event = { type: stored.type, time: stored.time, data: stored.data };
    const subject = { sessionId: stream, time: stored.time };
    yield eventMessage(subject, event);
    yield snapshotMessage(subject, event, after);
  }
}

/** Resolves once the message is on its way, or the client is gone. */
function send(client: WebSocket, message: StatelyMessage): Promise<void> {
  return new Promise((resolve) => {
    const stuck = setTimeout(() => client.terminate(), stuckAfterMs).unref();
    client.send(JSON.stringify(message), () => {
      clearTimeout(stuck);
      resolve();
    });
  });
}
