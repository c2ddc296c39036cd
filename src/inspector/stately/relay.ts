/**
 * Relays the tasks of this host to clients of `@statelyai/inspect`, each as an actor.
 * A new client gets all actors in their present state, then every event and the state
 * after it. Events are read from the log when the client is ready for more, so a slow
 * client loses nothing and uses no memory.
 */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { Connections } from "../../http/connections.ts";
import type { History } from "../../replay/history.ts";
import { shortId, taskName } from "../../taskId.ts";
import { type Access, targetOf } from "../server/access.ts";
import type { TaskIndex } from "../server/taskIndex.ts";
import { actorMessage, eventMessage, type StatelyMessage, snapshotMessage } from "./messages.ts";

const maxClients = 8;
/** A client that reads nothing for this long is disconnected. */
const stuckAfterMs = 30_000;
const path = "/stately";

interface Relayed {
  readonly access: Access;
  readonly connections: Connections;
  readonly index: TaskIndex;
}

/** Serves WebSockets at the server's `/stately`. @returns a function that closes all connections */
export function relayTasks(http: Server, { access, connections, index }: Relayed): () => void {
  // Clients have nothing to send.
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1_024 });
  http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // A refused client may hang up before it has read the refusal.
    socket.on("error", () => socket.destroy());
    const target = targetOf(request.url);
    const admitted = target?.pathname === path && access.admitsClient(request);
    if (!admitted || sockets.clients.size >= maxClients) {
      // Node's timeouts do not apply to a connection that asked for an upgrade.
      const refusal = admitted ? "503 Service Unavailable" : "403 Forbidden";
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\n\r\n`, () => socket.destroy());
      return;
    }
    connections.admit(socket);
    const withHistory = target.searchParams.has("history");
    sockets.handleUpgrade(request, socket, head, (client) => follow(client, index, withHistory));
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

function follow(client: WebSocket, index: TaskIndex, withHistory: boolean): void {
  /** Numbers of the last events that were sent, by task. */
  const sent = new Map<string, number>();
  const pending = new Set(index.ids());
  let sending = false;
  const sendPending = async () => {
    if (sending) return;
    sending = true;
    for (const id of pending) {
      if (client.readyState !== client.OPEN) break;
      pending.delete(id);
      const history = index.history(id);
      if (history === undefined || history.length === 0) sent.delete(id);
      else {
        for (const message of messagesAfter(history, sent.get(id), withHistory)) await send(client, message);
        sent.set(id, history.length);
      }
    }
    sending = false;
  };
  const changes = index.changes.subscribe((id) => {
    pending.add(id);
    setImmediate(() => void sendPending());
  });
  client.on("close", () => changes.unsubscribe());
  client.on("error", () => client.terminate());
  void sendPending();
}

/** @param sent number of the last sent event; undefined registers the actor first */
function* messagesAfter(
  history: History,
  sent: number | undefined,
  withHistory: boolean,
): Iterable<StatelyMessage> {
  const { stream, length, events } = history;
  if (sent === undefined) {
    const name = `${taskName(stream)} ${shortId(stream)}`;
    const subject = { sessionId: stream, time: events[0]?.time ?? 0 };
    yield actorMessage(subject, name, history.stateAfter(length));
  }
  const from = sent ?? (withHistory ? 0 : length);
  for (const { stored, after } of history.moments(from + 1)) {
    const event = { type: stored.type, time: stored.time, data: stored.data };
    const subject = { sessionId: stream, time: stored.time };
    yield eventMessage(subject, event);
    yield snapshotMessage(subject, event, after);
  }
}

/** Resolves once the message is sent, or the client has disconnected. */
function send(client: WebSocket, message: StatelyMessage): Promise<void> {
  return new Promise((resolve) => {
    const stuck = setTimeout(() => client.terminate(), stuckAfterMs).unref();
    client.send(JSON.stringify(message), () => {
      clearTimeout(stuck);
      resolve();
    });
  });
}
