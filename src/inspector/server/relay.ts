/**
 * Relays the tasks of this host, each as an actor, to clients of `@statelyai/inspect`. A new client gets all
 * actors in their current states, then every event and the state after it. With history, each actor starts in
 * its initial state, and all stored events follow in their order. Events are read from the log when the
 * client is ready for more, so a slow client loses nothing and uses no memory. After each message, other work
 * gets a turn.
 */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type WebSocket, WebSocketServer } from "ws";
import { DriverError } from "../../base/errors.ts";
import { shortId, taskName } from "../../base/taskId.ts";
import { momentOf } from "../../history/replay/history.ts";
import { maskEvent } from "../../history/replay/mask.ts";
import type { Connections } from "../../http/connections.ts";
import { type MachineState, thisMachine } from "../../machines/machineVersion.ts";
import type { EventReader, StoredEvent } from "../../store/eventStore.ts";
import { actorMessage, eventMessage, type StatelyMessage, snapshotMessage } from "../stately/messages.ts";
import { type Access, targetOf } from "./access.ts";
import { stuckAfterMs } from "./responses.ts";
import type { TaskIndex } from "./taskIndex.ts";

const maxClients = 8;
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
      // Node's timeouts do not apply to a connection that has requested an upgrade.
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

/** One client, and what was sent to it. */
class Relay {
  readonly #client: WebSocket;
  readonly #index: TaskIndex;
  /** For each log, the position of the last event that was sent or need not be sent. */
  readonly #sent = new Map<EventReader, number>();
  /** The last sent event and state of each actor that is not over. */
  readonly #actors = new Map<string, { readonly seq: number; readonly state: MachineState }>();
  /** Ids of the actors that the client knows. */
  readonly #known = new Set<string>();

  constructor(client: WebSocket, index: TaskIndex) {
    this.#client = client;
    this.#index = index;
  }

  async run(withHistory: boolean): Promise<void> {
    // Changes are noticed from now on, and sent below.
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
    if (!withHistory) await this.#sendPresent();
    while (this.#isOpen) {
      if (hasMore) {
        hasMore = false;
        for (const reader of this.#index.readers()) await this.#sendEvents(reader);
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

  /** Registers every actor in its current state. Events that arrive meanwhile are sent afterwards. */
  async #sendPresent(): Promise<void> {
    for (const reader of this.#index.readers()) this.#sent.set(reader, reader.lastPosition());
    for (const id of this.#index.ids()) {
      if (!this.#isOpen) return;
      const row = this.#index.row(id);
      const present = await this.#index.present(id);
      if (row === undefined || present === undefined) continue;
      this.#remember(id, present);
      await this.#register(id, row.begunAt, present.state);
    }
  }

  /** Sends those events of a log that the client does not have yet. */
  async #sendEvents(reader: EventReader): Promise<void> {
    try {
      for (const event of reader.readIntact((this.#sent.get(reader) ?? 0) + 1)) {
        if (!this.#isOpen) return;
        await this.#sendEvent(maskEvent(event));
        this.#sent.set(reader, event.position);
      }
    } catch (thrown) {
      // The log was closed because another log has replaced it. The new log is read from now on.
      if (!(thrown instanceof DriverError)) throw thrown;
    }
  }

  async #sendEvent(event: StoredEvent): Promise<void> {
    const { stream: id, seq, time, type, data } = event;
    const known = this.#actors.get(id) ?? { seq: 0, state: thisMachine.initialSnapshot };
    // The actor was registered after this event, or is over.
    if (known.seq >= seq || (known.seq === 0 && seq > 1)) return;
    const before = known.state;
    const { after } = momentOf(thisMachine, before, event, undefined);
    this.#remember(id, { seq, state: after });
    await this.#register(id, time, before);
    const subject = { sessionId: id, time };
    await this.#send(eventMessage(subject, { type, ...{ time, data } }));
    await this.#send(snapshotMessage(subject, { type, ...{ time, data } }, after));
  }

  #remember(id: string, actor: { readonly seq: number; readonly state: MachineState }): void {
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

  /** Sends a message, and then gives other work a turn. Also resolves if the client has disconnected. */
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
