/**
 * Relays the tasks of this host to clients of `@statelyai/inspect`, each as an actor. A new client gets all
 * actors in their present state, then every event and the state after it. With history, each actor starts in
 * its first state, and its events come from the first one on: all in the order in which they were stored.
 * Events are read from the log when the client is ready for more, so a slow client loses nothing and uses no
 * memory. After each message, everything else that waits has its turn.
 */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type WebSocket, WebSocketServer } from "ws";
import { DriverError } from "../../errors.ts";
import type { Connections } from "../../http/connections.ts";
import { type MachineState, thisMachine } from "../../machines/machineVersion.ts";
import { momentOf } from "../../replay/history.ts";
import { maskEvent } from "../../replay/mask.ts";
import type { EventReader, StoredEvent } from "../../store/eventStore.ts";
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
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on("error", () => client.terminate());
      void new Relay(client, index).run(withHistory);
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

/** One client, and what it has been told. */
class Relay {
  readonly #client: WebSocket;
  readonly #index: TaskIndex;
  /** The position of the last event that was told or needs not be, of each log. */
  readonly #told = new Map<EventReader, number>();
  /** What was told last of the actors that go on. */
  readonly #actors = new Map<string, { readonly seq: number; readonly state: MachineState }>();
  /** Ids of the actors that the client knows. */
  readonly #known = new Set<string>();

  constructor(client: WebSocket, index: TaskIndex) {
    this.#client = client;
    this.#index = index;
  }

  async run(withHistory: boolean): Promise<void> {
    // Noticed from now on, and told below.
    let wake: (() => void) | undefined;
    let hasMore = true;
    const changes = this.#index.changes.subscribe(() => {
      hasMore = true;
      wake?.();
    });
    this.#client.on("close", () => {
      changes.unsubscribe();
      wake?.();
    });
    if (!withHistory) await this.#tellPresent();
    while (this.#isOpen) {
      if (hasMore) {
        hasMore = false;
        for (const reader of this.#index.readers()) await this.#tellEvents(reader);
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }

  get #isOpen(): boolean {
    return this.#client.readyState === this.#client.OPEN;
  }

  /** Registers every actor in its present state. Events that come meanwhile are told afterwards. */
  async #tellPresent(): Promise<void> {
    for (const reader of this.#index.readers()) this.#told.set(reader, reader.lastPosition());
    for (const id of this.#index.ids()) {
      if (!this.#isOpen) return;
      const row = this.#index.row(id);
      const present = await this.#index.present(id);
      if (row === undefined || present === undefined) continue;
      this.#note(id, present);
      await this.#register(id, row.begunAt, present.state);
    }
  }

  /** Tells the events of a log that the client does not know yet. */
  async #tellEvents(reader: EventReader): Promise<void> {
    try {
      for (const event of reader.readIntact((this.#told.get(reader) ?? 0) + 1)) {
        if (!this.#isOpen) return;
        await this.#tell(maskEvent(event));
        this.#told.set(reader, event.position);
      }
    } catch (thrown) {
      // The log was closed, since another one has taken its place: that one is read from now on.
      if (!(thrown instanceof DriverError)) throw thrown;
    }
  }

  async #tell(event: StoredEvent): Promise<void> {
    const { stream: id, seq, time, type, data } = event;
    const known = this.#actors.get(id) ?? { seq: 0, state: thisMachine.initialSnapshot };
    // The actor was registered after this event, or is over.
    if (known.seq >= seq || (known.seq === 0 && seq > 1)) return;
    const before = known.state;
    const { after } = momentOf(thisMachine, before, event, undefined);
    this.#note(id, { seq, state: after });
    await this.#register(id, time, before);
    const subject = { sessionId: id, time };
    await this.#send(eventMessage(subject, { type, ...{ time, data } }));
    await this.#send(snapshotMessage(subject, { type, ...{ time, data } }, after));
  }

  #note(id: string, actor: { readonly seq: number; readonly state: MachineState }): void {
    // No event follows the last state.
    if (actor.state.value === "destroyed") this.#actors.delete(id);
    else this.#actors.set(id, actor);
  }

  async #register(id: string, time: number, state: MachineState): Promise<void> {
    if (this.#known.has(id)) return;
    const isFirst = this.#known.size === 0;
    this.#known.add(id);
    const name = `${taskName(id)} ${shortId(id)}`;
    await this.#send(actorMessage({ sessionId: id, time }, name, state, isFirst));
  }

  /** Resolves once the message is sent, or the client has disconnected, and others have had their turn. */
  async #send(message: StatelyMessage): Promise<void> {
    await new Promise<void>((resolve) => {
      const stuck = setTimeout(() => this.#client.terminate(), stuckAfterMs).unref();
      this.#client.send(JSON.stringify(message), () => {
        clearTimeout(stuck);
        resolve();
      });
    });
    await nextTurn();
  }
}
