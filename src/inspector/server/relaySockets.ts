/** Serves the relay to clients of `@statelyai/inspect`, by WebSockets at the server's `/stately`. */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { Connections } from "../../http/connections.ts";
import { type Access, targetOf } from "./access.ts";
import { type Receiver, relay, wantedBy } from "./relay.ts";
import { stuckAfterMs } from "./responses.ts";
import type { TaskIndex } from "./taskIndex.ts";

const maxClients = 8;
const path = "/stately";

interface Relayed {
  readonly access: Access;
  readonly connections: Connections;
  readonly index: TaskIndex;
}

/** @returns a function that closes all connections */
export function serveSockets(http: Server, { access, connections, index }: Relayed): () => void {
  // Clients have nothing to send.
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1_024 });
  http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // A refused client may hang up before it has read the refusal.
    socket.on("error", () => socket.destroy());
    const target = targetOf(request.url);
    const admitted = target?.pathname === path && access.admitsClient(request);
    if (!admitted || sockets.clients.size >= maxClients) {
      // Node's timeouts do not apply to a connection that has requested an upgrade.
      const refusal = admitted ? "503 Service Unavailable" : "403 Forbidden";
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\n\r\n`, () => socket.destroy());
      return;
    }
    connections.admit(socket);
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on("error", () => client.terminate());
      void relay(receiverOf(client), index, wantedBy(target.searchParams));
    });
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

function receiverOf(client: WebSocket): Receiver {
  const gone = new AbortController();
  client.on("close", () => gone.abort());
  return {
    gone: gone.signal,
    send: (message) =>
      new Promise((resolve) => {
        const stuck = setTimeout(() => client.terminate(), stuckAfterMs).unref();
        // Called when the client has disconnected, too.
        client.send(JSON.stringify(message), () => {
          clearTimeout(stuck);
          resolve();
        });
      }),
  };
}
